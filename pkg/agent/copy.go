package agent

import (
	"fmt"
	"io"
	"os"
)

// Copy writes the program that runs to path, for everybody to run. One that a container's earlier
// start left there is replaced.
func Copy(path string) (err error) {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	in, err := os.Open(self)
	if err != nil {
		return err
	}
	defer in.Close() // It was only read.
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return err
	}
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755) //nolint:gosec // It is there to be run by other users.
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close()
		return fmt.Errorf("write %s: %w", path, err)
	}
	return out.Close()
}
