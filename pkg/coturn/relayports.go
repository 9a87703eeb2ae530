package coturn

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// portsUsed counts the relay ports that a UDP socket of this network has, by the kernel's
// own word: on a node's network other programs may have taken some.
func portsUsed(proc string, r PortRange) (int, error) {
	used := map[int]struct{}{}
	for _, name := range []string{"udp", "udp6"} {
		path := filepath.Join(proc, "net", name)
		f, err := os.Open(path)
		if os.IsNotExist(err) {
			continue // a kernel without IPv6
		}
		if err != nil {
			return 0, err
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			// "  sl  local_address rem_address …", addresses as HEX:PORT.
			fields := strings.Fields(lines.Text())
			if len(fields) < 2 {
				continue
			}
			_, hex, _ := strings.Cut(fields[1], ":")
			if port, err := strconv.ParseUint(hex, 16, 16); err == nil && r.Holds(int(port)) {
				used[int(port)] = struct{}{}
			}
		}
		err = lines.Err()
		_ = f.Close()
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", path, err)
		}
	}
	return len(used), nil
}
