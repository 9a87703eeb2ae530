package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// crashCount counts a start in a file that outlives the container but not the pod, and
// reports whether this start shall fail.
func crashCount(c config) (bool, error) {
	if c.crashes == crashAlways {
		return true, nil
	}
	if c.crashes == 0 {
		return false, nil
	}
	file := filepath.Join(c.stateDir, "desktop-starts")
	raw, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		return false, err
	}
	starts, _ := strconv.Atoi(strings.TrimSpace(string(raw)))
	starts++
	if err := os.WriteFile(file, []byte(strconv.Itoa(starts)), 0o644); err != nil {
		return false, fmt.Errorf("DESKTOP_CRASH_ON_START=%d needs a folder that outlives the container: %w: mount a memory volume at %s or set DESKTOP_STATE_DIR", c.crashes, err, c.stateDir)
	}
	return starts <= c.crashes, nil
}

// slowly answers no request before the given time, as a server whose program is still
// loading behind an open port.
func slowly(until time.Time, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if wait := time.Until(until); wait > 0 {
			select {
			case <-time.After(wait):
			case <-r.Context().Done():
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
