package coturn

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"
	"unicode"
)

// checkEvery is how often mounted files are read: a few hundred bytes, much more often than
// kubelet changes them.
const checkEvery = 5 * time.Second

// longestSecret, in bytes, is well below what a line of SQL takes.
const longestSecret = 1024

// readSecret reads the shared secret as the activator does: without the space around it.
func readSecret(path string) (string, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the shared secret: %w", err)
	}
	s := strings.TrimSpace(string(raw))
	switch {
	case s == "":
		return "", fmt.Errorf("the shared secret in %s is empty", path)
	case len(s) > longestSecret:
		return "", fmt.Errorf("the shared secret in %s has %d bytes, above %d", path, len(s), longestSecret)
	case strings.ContainsFunc(s, unicode.IsControl):
		return "", fmt.Errorf("the shared secret in %s holds a control character such as a line break", path)
	}
	return s, nil
}

// secrets writes the shared secret into turnserver's database whenever it changes, and
// keeps the former one there for as long as credentials made with it are valid.
type secrets struct {
	path    string
	overlap time.Duration
	write   func(ctx context.Context, secrets ...string) error
	changed func(err error)
	log     *slog.Logger

	current, former string
	until           time.Time // when former ends
	failed          string    // the last failure that was logged
}

// begin takes the first secret.
func (s *secrets) begin(ctx context.Context) error {
	now, err := readSecret(s.path)
	if err != nil {
		return err
	}
	s.current = now
	return s.write(ctx, now)
}

// check takes a changed secret, and removes the former one when its time is over.
func (s *secrets) check(ctx context.Context) {
	now, err := readSecret(s.path)
	switch {
	case err != nil:
	case now != s.current:
		// The next check retries a failed write.
		if err = s.write(ctx, now, s.current); err != nil {
			break
		}
		s.former, s.current, s.until = s.current, now, time.Now().Add(s.overlap)
		s.log.Info("the shared secret has changed; credentials made with the former one are accepted for a while", "until", s.until.UTC())
		s.changed(nil)
	case s.former != "" && !time.Now().Before(s.until):
		if err = s.write(ctx, s.current); err != nil {
			break
		}
		s.former = ""
		s.log.Info("the former shared secret is no longer accepted")
	}
	if err == nil || ctx.Err() != nil {
		s.failed = ""
		return
	}
	if s.failed != err.Error() {
		s.failed = err.Error()
		s.log.Error("the new shared secret cannot be used; the one before stays in use", "error", err)
		s.changed(err)
	}
}
