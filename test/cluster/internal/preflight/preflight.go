// Package preflight refuses to start on a machine that cannot hold the cluster. Each check
// yields at most one line that says what is wrong, the value seen and the remedy, before
// anything on the machine has been changed.
package preflight

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/org/vdi-operator/test/cluster/internal/forward"
	"github.com/org/vdi-operator/test/cluster/internal/layout"
)

const (
	gib = 1 << 30
	// freeToBuild is needed by the compiler's cache, the programs and the images; freeToRun
	// by images and volumes alone.
	freeToBuild = 10 * gib
	freeToRun   = 4 * gib
)

// Root checks that this is Linux and that we may do everything.
func Root() error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("this runs on Linux only, and here is %s: use a Linux machine or virtual machine", runtime.GOOS)
	}
	if uid := os.Geteuid(); uid != 0 {
		return fmt.Errorf("needs root to run containers and networks, and runs as uid %d: use sudo", uid)
	}
	return nil
}

// Disk checks the space where the cache and the state will lie.
func Disk(everythingBuilt bool, folders ...string) error {
	need := uint64(freeToBuild)
	if everythingBuilt {
		need = freeToRun
	}
	for _, folder := range folders {
		existing := folder
		for {
			if _, err := os.Stat(existing); err == nil || existing == filepath.Dir(existing) {
				break
			}
			existing = filepath.Dir(existing)
		}
		var fs syscall.Statfs_t
		if err := syscall.Statfs(existing, &fs); err != nil {
			return fmt.Errorf("free space of %s: %w", existing, err)
		}
		if free := fs.Bavail * uint64(fs.Bsize); free < need {
			return fmt.Errorf("%s has %.1f GiB free and needs %d: free some, or choose another disk with --cache and --state", folder, float64(free)/gib, need/gib)
		}
	}
	return nil
}

// want is an address that the cluster is going to listen on.
type want struct {
	address string
	of      string // who
	remedy  string
}

// Ports checks that nobody else listens where the cluster will. ours tells whether a
// process belongs to the cluster already.
func Ports(mappings []forward.Mapping, ours func(pid int) bool) error {
	var wants []want
	for _, p := range layout.NodePorts() {
		wants = append(wants, want{p.Address(), p.Of, "stop it (cluster down ends a cluster, also one with another --state)"})
	}
	return vacant(append(wants, published(mappings)...), ours)
}

func published(mappings []forward.Mapping) []want {
	var wants []want
	for _, m := range mappings {
		wants = append(wants, want{m.Listen, "--publish", "stop it or choose another port with --publish"})
	}
	return wants
}

// vacant looks again for a while when a socket has no owner: a process that is being ended
// lets go of its memory before its sockets.
func vacant(wants []want, ours func(pid int) bool) error {
	for deadline := time.Now().Add(dyingPatience); ; time.Sleep(dyingInterval) {
		orphans, err := lookAt(wants, ours)
		if err == nil || !orphans || time.Now().After(deadline) {
			return err
		}
	}
}

const (
	dyingPatience = 3 * time.Second
	dyingInterval = 50 * time.Millisecond
)

// lookAt returns an error for the first wanted address in use, and whether its user is out
// of sight.
func lookAt(wants []want, ours func(pid int) bool) (orphan bool, err error) {
	sockets, err := listeners("/proc/net/tcp", "/proc/net/tcp6")
	if err != nil {
		return false, err
	}
	for _, w := range wants {
		host, port, err := net.SplitHostPort(w.address)
		if err != nil {
			return false, err
		}
		for _, s := range sockets {
			if strconv.Itoa(s.port) != port || (!s.ip.IsUnspecified() && !s.ip.Equal(net.ParseIP(host))) {
				continue
			}
			if pid, name := owner(s.inode); pid == 0 || !ours(pid) {
				return pid == 0, fmt.Errorf("port %s, which %s needs, is in use by %s: %s", w.address, w.of, describe(pid, name), w.remedy)
			}
		}
	}
	return false, nil
}

func describe(pid int, name string) string {
	if pid == 0 {
		return "a process that cannot be seen from here"
	}
	return fmt.Sprintf("%s (pid %d)", name, pid)
}

// Addresses checks that the machine does not use our address ranges for something else.
func Addresses() error {
	links, err := net.Interfaces()
	if err != nil {
		return err
	}
	for _, link := range links {
		if link.Name == layout.NodeLink || link.Name == layout.PodLink || strings.HasPrefix(link.Name, "veth") {
			continue
		}
		addresses, err := link.Addrs()
		if err != nil {
			return err
		}
		for _, address := range addresses {
			ip, network, err := net.ParseCIDR(address.String())
			if err != nil {
				continue
			}
			for _, cidr := range []string{layout.NodeIP + "/32", layout.PodCIDR, layout.ServiceCIDR} {
				_, mine, err := net.ParseCIDR(cidr)
				if err != nil {
					return err
				}
				if mine.Contains(ip) || network.Contains(mine.IP) {
					return fmt.Errorf("the cluster needs %s, and %s on this machine has %s: disconnect that network", cidr, link.Name, address)
				}
			}
		}
	}
	return nil
}

// StatePath checks that sockets in the state folder will have names the kernel accepts.
func StatePath(l layout.Layout) error {
	const longest = 107 // bytes in a Unix socket's path, of which the kernel keeps one more
	if !filepath.IsAbs(l.Root()) || l.Root() == "/" {
		return fmt.Errorf("--state %q: want an absolute path of a folder for the cluster alone", l.Root())
	}
	socket := l.ContainerdSocket() + ".ttrpc" // containerd adds this one beside
	if len(socket) > longest {
		return fmt.Errorf("--state %s is too long: sockets in it would have names of %d bytes and the kernel takes %d", l.Root(), len(socket), longest)
	}
	entries, err := os.ReadDir(l.Root())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		if _, err := os.Stat(l.Marker()); err != nil {
			return fmt.Errorf("--state %s holds something else (such as %s), and \"down\" would delete it: choose another folder", l.Root(), entries[0].Name())
		}
	}
	return nil
}
