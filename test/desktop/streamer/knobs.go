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

// countStart counts a start in a file that outlives the container but not the pod, where
// a knob asks for the first so many starts, and reports whether this is one of them.
func countStart(knob string, first int, stateDir string) (bool, error) {
	if first == crashAlways {
		return true, nil
	}
	if first == 0 {
		return false, nil
	}
	file := filepath.Join(stateDir, "desktop-starts")
	raw, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		return false, err
	}
	starts, _ := strconv.Atoi(strings.TrimSpace(string(raw)))
	starts++
	if err := os.WriteFile(file, []byte(strconv.Itoa(starts)), 0o644); err != nil {
		return false, fmt.Errorf("%s=%d needs a folder that outlives the container: %w: mount a memory volume at %s or set DESKTOP_STATE_DIR", knob, first, err, stateDir)
	}
	return starts <= first, nil
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
