package coturn

import (
	"errors"
	"io/fs"

	"github.com/prometheus/procfs"
)

// portsUsed counts the relay ports that a UDP socket of this network has, by the kernel's
// own word: on a node's network other programs may have taken some.
func portsUsed(proc string, r PortRange) (int, error) {
	kernel, err := procfs.NewFS(proc)
	if err != nil {
		return 0, err
	}
	used := map[uint64]struct{}{}
	for _, read := range []func() (procfs.NetUDP, error){kernel.NetUDP, kernel.NetUDP6} {
		sockets, err := read()
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // a kernel without IPv6
			return 0, err
		}
		for _, s := range sockets {
			if r.Holds(int(s.LocalPort)) {
				used[s.LocalPort] = struct{}{}
			}
		}
	}
	return len(used), nil
}
