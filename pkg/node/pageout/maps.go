package pageout

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	// maxMappings bounds what is read of one process: Linux lets it have 65530
	// (vm.max_map_count) unless the node says otherwise.
	maxMappings = 1 << 18
	// maxLine is the longest line of maps: a path of PATH_MAX, each byte escaped, and numbers.
	maxLine = 4*4096 + 256
)

// mapping is a part of a process' memory.
type mapping struct{ start, end uint64 }

// readMaps reads the mappings of /proc/PID/maps (proc_pid_maps(5)) that can hold pages: not
// those that nobody may touch, and not the kernel's own.
func readMaps(from io.Reader) (found []mapping, err error) {
	lines := bufio.NewScanner(from)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	for lines.Scan() {
		m, holds, err := parseMapping(lines.Text())
		if err != nil {
			return nil, err
		}
		if !holds {
			continue
		}
		if len(found) == maxMappings {
			return nil, fmt.Errorf("the process has more than %d mappings", maxMappings)
		}
		found = append(found, m)
	}
	return found, lines.Err()
}

// parseMapping reads a line such as "7f00-7f10 rw-p 00000000 00:00 0    [heap]".
func parseMapping(line string) (m mapping, holds bool, err error) {
	fields := strings.Fields(line)
	if len(fields) < 5 {
		return mapping{}, false, fmt.Errorf("a mapping of %d fields, 5 at least were expected", len(fields))
	}
	first, last, _ := strings.Cut(fields[0], "-")
	if m.start, err = strconv.ParseUint(first, 16, 64); err == nil {
		m.end, err = strconv.ParseUint(last, 16, 64)
	}
	if err != nil {
		return mapping{}, false, fmt.Errorf("the address of a mapping: %w", err)
	}
	if m.end <= m.start {
		return mapping{}, false, fmt.Errorf("a mapping from %x to %x", m.start, m.end)
	}
	kernels := len(fields) > 5 && (fields[5] == "[vsyscall]" || strings.HasPrefix(fields[5], "[vvar") || fields[5] == "[vdso]")
	return m, !kernels && !strings.HasPrefix(fields[1], "---"), nil
}
