package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/org/vdi-operator/test/cluster/internal/controlplane"
	"github.com/org/vdi-operator/test/cluster/internal/layout"
	"github.com/org/vdi-operator/test/cluster/internal/network"
	"github.com/org/vdi-operator/test/cluster/internal/node"
	"github.com/org/vdi-operator/test/cluster/internal/preflight"
	"github.com/org/vdi-operator/test/cluster/internal/process"
)

// gracePatience is how long a program may take to end when its data is to be kept.
const gracePatience = 15 * time.Second

// Down ends the cluster and removes what it put on the machine. With keepData the state
// folder stays, for a later Up to go on from.
func (c *Cluster) Down(ctx context.Context, keepData bool) error {
	if err := preflight.Root(); err != nil {
		return err
	}
	unlock, err := lock()
	if err != nil {
		return err
	}
	defer unlock()
	begun := time.Now()
	// Each step is worth doing even when one before has failed.
	problems := []error{c.end(keepData)}
	sockets := c.shimSockets() // before the bundles that name them are gone
	problems = append(problems, unmountBelow(c.Layout.Root()), network.Down(ctx, c.Layout), c.group.Remove())
	for _, socket := range sockets {
		problems = append(problems, absent(os.Remove(socket)))
		_ = os.Remove(filepath.Dir(socket)) // goes with the last socket
		_ = os.Remove(filepath.Dir(filepath.Dir(socket)))
	}
	problems = append(problems, c.removeOutside(), os.RemoveAll(c.Layout.Run()), os.RemoveAll(c.Layout.Processes()))
	if !keepData {
		problems = append(problems, os.RemoveAll(c.Layout.Root()))
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "The cluster is down after %.1f s.\n", time.Since(begun).Seconds())
	return nil
}

// end ends every process. Kept data is given time to be written: first those that would
// start others again, the database last.
func (c *Cluster) end(gracefully bool) error {
	records := c.table.All()
	patience := time.Duration(0)
	if gracefully {
		patience = gracePatience
		slices.SortStableFunc(records, func(a, b process.Record) int { return stopOrder(a) - stopOrder(b) })
	}
	var problems []error
	for _, r := range records {
		if gracefully && r.Name == node.Containerd {
			problems = append(problems, c.group.KillPods())
		}
		problems = append(problems, c.table.End(r.Name, patience))
	}
	return errors.Join(append(problems, c.group.Kill())...)
}

// stopOrder is a program's place when all are to end well: what starts pods goes before
// what runs them, and what writes to the database before the database.
func stopOrder(r process.Record) int {
	order := []string{node.Kubelet, node.Containerd, controlplane.APIServer, controlplane.Etcd}
	return slices.Index(order, r.Name) // -1, so first, for all others
}

// unmountBelow undoes every mount below a folder, the latest first.
func unmountBelow(root string) error {
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	defer file.Close()
	var points []string
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		if fields := strings.Fields(scanner.Text()); len(fields) > 4 {
			// The kernel writes blanks in a path as \040.
			point := strings.ReplaceAll(fields[4], `\040`, " ")
			if point == root || strings.HasPrefix(point, root+"/") {
				points = append(points, point)
			}
		}
	}
	problems := []error{scanner.Err()}
	for _, point := range slices.Backward(points) {
		if err := syscall.Unmount(point, syscall.MNT_DETACH); err != nil && !errors.Is(err, syscall.EINVAL) {
			problems = append(problems, fmt.Errorf("unmount %s: %w", point, err))
		}
	}
	return errors.Join(problems...)
}

// shimSockets lists the sockets that containerd's shims put in a folder which containerd
// does not let us choose. Each container's bundle tells its own.
func (c *Cluster) shimSockets() []string {
	files, _ := filepath.Glob(filepath.Join(c.Layout.ContainerdState(), "io.containerd.runtime.v2.task", "*", "*", "address"))
	var sockets []string
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		socket := strings.TrimPrefix(strings.TrimSpace(string(raw)), "unix://")
		if filepath.IsAbs(socket) && !slices.Contains(sockets, socket) {
			sockets = append(sockets, socket)
		}
	}
	return sockets
}

// removeOutside removes what kubelet puts outside of the state folder.
func (c *Cluster) removeOutside() error {
	var problems []error
	links, _ := filepath.Glob(filepath.Join(layout.LegacyLogs, "*"))
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && strings.HasPrefix(to, c.Layout.Root()+"/") {
			problems = append(problems, absent(os.Remove(link)))
		}
	}
	if to, err := os.Readlink(layout.KubeletDevicePlugins); err == nil && to == c.Layout.DevicePlugins() {
		problems = append(problems, absent(os.Remove(layout.KubeletDevicePlugins)))
	}
	// These go only when nobody else has put anything there.
	for _, dir := range []string{layout.LegacyLogs, filepath.Dir(layout.KubeletDevicePlugins)} {
		_ = os.Remove(dir)
	}
	return errors.Join(problems...)
}

func absent(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
