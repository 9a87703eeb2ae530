// Package repo finds the source tree this program was built from. Image specs name
// modules and files relative to its root.
package repo

import (
	"fmt"
	"os"
	"path/filepath"
)

// marker is a file that exists in this repository and hardly anywhere else.
const marker = "charts/vdi-operator/Chart.yaml"

// Root returns the repository's root. It looks upwards from the working directory
// first, so that a second checkout builds its own sources, and then upwards from the
// running program.
func Root() (string, error) {
	var starts []string
	if wd, err := os.Getwd(); err == nil {
		starts = append(starts, wd)
	}
	if exe, err := os.Executable(); err == nil {
		starts = append(starts, filepath.Dir(exe))
	}
	for _, start := range starts {
		for dir := start; ; dir = filepath.Dir(dir) {
			if _, err := os.Stat(filepath.Join(dir, marker)); err == nil {
				return dir, nil
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return "", fmt.Errorf("no %s above %v: run this inside a checkout of the repository, or name it with --repo", marker, starts)
}
