// Package pressure reads how short of memory this node is. The kernel says so to every container,
// in files that are the whole node's, so that this needs no right.
package pressure

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/org/vdi-operator/pkg/nodeapi"
)

// ErrUnknown says that this kernel does not count who waits for memory.
var ErrUnknown = errors.New("the kernel does not tell memory pressure: it needs CONFIG_PSI, and psi=1 where that is off by default")

// Read reads the files below proc, where a proc file system is mounted.
//
// They are described in the kernel's Documentation/accounting/psi.rst and filesystems/proc.rst.
func Read(proc string) (p nodeapi.Pressure, err error) {
	psi := filepath.Join(proc, "pressure", "memory")
	waits, err := fields(psi, "some")
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, unix.EOPNOTSUPP):
		return p, ErrUnknown
	case err != nil:
		return p, err
	}
	for _, f := range waits {
		if value, is := strings.CutPrefix(f, "avg10="); is {
			if p.Stalled, err = strconv.ParseFloat(value, 64); err != nil {
				return p, fmt.Errorf("%s: %q: %w", psi, f, err)
			}
			return p, available(filepath.Join(proc, "meminfo"), &p)
		}
	}
	return p, fmt.Errorf("%s: no avg10 among %q", psi, waits)
}

// available reads the share of the memory that programs could still have.
func available(meminfo string, p *nodeapi.Pressure) error {
	var kib [2]float64
	for i, name := range []string{"MemTotal:", "MemAvailable:"} {
		f, err := fields(meminfo, name)
		if err != nil {
			return err
		}
		if kib[i], err = strconv.ParseFloat(f[0], 64); err != nil {
			return fmt.Errorf("%s: %s %w", meminfo, name, err)
		}
	}
	p.Available = 100 * kib[1] / kib[0]
	if err := p.Check(); err != nil {
		return fmt.Errorf("%s: %w", meminfo, err)
	}
	return nil
}

// fields are those after the first of the line that begins with name; there is one at least.
func fields(path, name string) ([]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if f := strings.Fields(lines.Text()); len(f) > 1 && f[0] == name {
			return f[1:], nil
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return nil, fmt.Errorf("%s: no line %q", path, name)
}
