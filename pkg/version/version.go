// Package version says what a program was built from. The linker sets a
// release; a plain go build or go install has what Go itself records.
package version

import (
	"cmp"
	"fmt"
	"io"
	"runtime/debug"
	"strconv"
)

// Set by the linker: go build -ldflags "-X <this package>.version=v1.2.3 -X <this
// package>.revision=0123abcd".
var version, revision string

// Info is what a program was built from.
type Info struct {
	// Version is a release such as v1.2.3, or what git describe says of a tree between
	// two of them.
	Version string
	// Revision is the commit.
	Revision string
	// Go is the version of Go that built it.
	Go string
}

// unknown stands for what neither has.
const unknown = "unknown"

// Get says what this program was built from.
func Get() Info {
	build, _ := debug.ReadBuildInfo()
	return from(version, revision, build)
}

// from completes what the linker set by what Go recorded; build may be nil.
func from(version, revision string, build *debug.BuildInfo) Info {
	i := Info{Version: version, Revision: revision, Go: unknown}
	if build != nil {
		i.Go = build.GoVersion
		if i.Version == "" && build.Main.Version != "(devel)" {
			i.Version = build.Main.Version
		}
		for _, s := range build.Settings {
			if s.Key == "vcs.revision" && i.Revision == "" {
				i.Revision = s.Value
			}
		}
	}
	i.Version, i.Revision = cmp.Or(i.Version, unknown), cmp.Or(i.Revision, unknown)
	return i
}

// String is one line for people.
func (i Info) String() string {
	return fmt.Sprintf("%s (revision %s, %s)", i.Version, i.Revision, i.Go)
}

// Flag is what --version does, a flag.BoolFunc: it prints the line and ends the program in order.
func Flag(program string, out io.Writer, exit func(code int)) func(string) error {
	return func(value string) error {
		asked, err := strconv.ParseBool(value)
		if err != nil || !asked {
			return err
		}
		fmt.Fprintln(out, program, Get())
		exit(0)
		return nil
	}
}
