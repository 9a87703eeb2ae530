package process

import (
	"fmt"
	"os"
)

// Memory is what a process has of the machine's, in bytes.
type Memory struct {
	// Anonymous is in memory and backed by no file: what swap can take.
	Anonymous int64
	// Proportional counts what several processes share in equal parts: PSS.
	Proportional int64
}

// At is a process that runs already.
func At(pid int) *Process { return &Process{PID: pid} }

// Memory reads the process's: proc(5), smaps_rollup.
func (p *Process) Memory() (m Memory, err error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p.PID))
	if err != nil {
		return m, err
	}
	if m.Anonymous, err = p.bytes(raw, "Anonymous:"); err != nil {
		return m, err
	}
	m.Proportional, err = p.bytes(raw, "Pss:")
	return m, err
}
