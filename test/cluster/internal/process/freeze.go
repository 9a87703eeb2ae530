package process

import (
	"fmt"
	"syscall"
)

// Freeze makes the program stand still as it is, sockets open, as on a machine that
// hangs; Thaw lets it go on.
func (r Record) Freeze() error { return r.signal(syscall.SIGSTOP) }

// Thaw lets a frozen program go on; it is no error when it was not frozen.
func (r Record) Thaw() error { return r.signal(syscall.SIGCONT) }

func (r Record) signal(s syscall.Signal) error {
	if !r.Alive() {
		return fmt.Errorf("%s (pid %d) does not run", r.Name, r.PID)
	}
	if err := syscall.Kill(r.PID, s); err != nil {
		return fmt.Errorf("%s (pid %d): %w", r.Name, r.PID, err)
	}
	return nil
}
