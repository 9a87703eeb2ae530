// Package rootstart goes from root to an ordinary user in the way of linuxserver.io's
// images, whose s6-overlay starts as root, gives the home to its user and runs every
// program as that user. It promises to fail where s6 does, in its words and with its exit
// status. It does not know what runs afterwards.
package rootstart

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The exit statuses of s6.
const (
	statusNotRoot = 100 // s6-overlay's preinit
	statusDenied  = 111 // s6-applyuidgid, for what the system refuses
)

// User is whom to become.
type User struct{ UID, GID int }

// Failure is why the start ends.
type Failure struct {
	Says   string // in the words of the real program
	Remedy string
	Status int // to exit with
}

func (f *Failure) Error() string { return f.Says + ": " + f.Remedy }

// system is what is asked of the kernel.
type system struct {
	euid      func() int
	chown     func(path string, uid, gid int) error
	setgroups func([]int) error
	setgid    func(int) error
	setuid    func(int) error
}

var kernel = system{os.Geteuid, os.Lchown, syscall.Setgroups, syscall.Setgid, syscall.Setuid}

// Become gives home to the user and becomes that user, for good. What goes wrong without
// ending the start is written to log. It returns a *Failure or nil.
func Become(u User, home string, log io.Writer) error {
	if err := kernel.become(u, home, log); err != nil {
		return err
	}
	// A process that has changed its user hides from its own children otherwise.
	return unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
}

func (s system) become(u User, home string, log io.Writer) error {
	if uid := s.euid(); uid != 0 {
		return &Failure{
			Says:   fmt.Sprintf("/package/admin/s6-overlay/libexec/preinit: fatal: /run belongs to uid 0 instead of %d and we're lacking the privileges to fix it.", uid),
			Remedy: fmt.Sprintf("this layout starts as root and was started as user %d: set runAsUser: 0 and allow CHOWN, SETGID and SETUID, or choose another DESKTOP_LAYOUT", uid),
			Status: statusNotRoot,
		}
	}
	if err := s.chown(home, u.UID, u.GID); err != nil { // the real start goes on, too
		what := "changing ownership of"
		if errors.Is(err, fs.ErrNotExist) {
			what = "cannot access"
		}
		_, _ = fmt.Fprintf(log, "chown: %s '%s': %s\n", what, home, reason(err))
	}
	for _, step := range []struct {
		what string
		do   func() error
		need string
	}{
		{"set supplementary group list", func() error { return s.setgroups([]int{u.GID}) }, "SETGID"},
		{"setgid", func() error { return s.setgid(u.GID) }, "SETGID"},
		{"setuid", func() error { return s.setuid(u.UID) }, "SETUID"},
	} {
		if err := step.do(); err != nil {
			return &Failure{
				Says:   fmt.Sprintf("s6-applyuidgid: fatal: unable to %s: %s", step.what, reason(err)),
				Remedy: "allow the container the capability " + step.need,
				Status: statusDenied,
			}
		}
	}
	return nil
}

// reason is what C programs say of an error.
func reason(err error) string {
	var number syscall.Errno
	if !errors.As(err, &number) {
		return err.Error()
	}
	text := number.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}
