// Package mounted reads files that kubelet mounts of Secrets, and follows them: kubelet replaces
// them when the Secret changes, within a minute or two.
//
// It promises that what cannot be used leaves in use what was there before, and is told once.
package mounted

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// every is how often files are read: a few kilobytes, much more often than kubelet brings a change.
const every = 5 * time.Second

// Read reads a file and refuses an empty one. Errors name it by what, which says its flag.
func Read(path, what string) ([]byte, error) {
	raw, err := os.ReadFile(path)
	if err == nil && len(bytes.TrimSpace(raw)) == 0 {
		err = fmt.Errorf("%s is empty", path)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return raw, nil
}

// Follower uses what files have, as they are; all fields are required.
type Follower struct {
	// Use reads them and uses what they have. It says what has changed, for the log; "" is nothing.
	// After an error what they had before is in use.
	Use func() (changed string, err error)
	// Refused is what the log says of an error.
	Refused string
	Log     *slog.Logger

	failed string // the last failure that was logged
}

// Follow uses the files until ctx ends.
func (f *Follower) Follow(ctx context.Context) {
	wait.UntilWithContext(ctx, func(context.Context) { f.Look() }, every)
}

// Look uses the files as they are now.
func (f *Follower) Look() {
	changed, err := f.Use()
	if err != nil {
		if f.failed != err.Error() {
			f.failed = err.Error()
			f.Log.Error(f.Refused, "error", err)
		}
		return
	}
	f.failed = ""
	if changed != "" {
		f.Log.Info(changed)
	}
}
