// Package build compiles the cluster's parts from Go modules into the cache. A program
// that is in the cache is never built again, and one that is there is always whole.
package build

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/mod/modfile"

	"github.com/org/vdi-operator/build/cache"
)

// Module is a published Go module whose main packages are built. It is built from a small
// module of our own that requires it, because "go install path@version" refuses modules
// that have replace lines.
type Module struct {
	// Path and Version name the module.
	Path, Version string
	// Packages are its main packages, relative to the module.
	Packages []string
	// LinkerFlags are added to "-s -w".
	LinkerFlags string
	// Staging is the version that stands for replacements by folders inside the module,
	// which the published module does not have.
	Staging string
	// Trim leaves out a part of a dependency that takes long to build, if any.
	Trim *Trim
}

// Builder builds into a cache.
type Builder struct {
	Cache cache.Dir
	// Log receives the compiler's output.
	Log io.Writer
}

// key names what a module's programs are made from.
func (m Module) key() string {
	ingredients := []string{m.Path, m.Version, m.LinkerFlags, m.Staging, runtime.Version(), runtime.GOARCH}
	if m.Trim != nil {
		ingredients = append(ingredients, m.Trim.Path, m.Trim.Folder, m.Trim.Source)
	}
	return path.Base(m.Path) + "-" + m.Version + "-" + cache.Key(ingredients...)
}

// binary is the file name Go gives to a main package.
func (m Module) binary(pkg string) string {
	return path.Base(path.Join(m.Path, pkg))
}

// Binaries returns the folder with the module's programs, building those that are missing.
// Only the named packages are built when there are any.
func (b Builder) Binaries(ctx context.Context, m Module, only ...string) (string, error) {
	packages := m.Packages
	if len(only) > 0 {
		packages = only
	}
	dir := b.Cache.Path("bin", m.key())
	var missing []string
	for _, pkg := range packages {
		if !cache.Has(filepath.Join(dir, m.binary(pkg))) {
			missing = append(missing, pkg)
		}
	}
	if len(missing) == 0 {
		return dir, nil
	}
	scratch, cleanup, err := b.Cache.Scratch(path.Base(m.Path))
	if err != nil {
		return "", err
	}
	defer cleanup()
	if err := b.writeModule(ctx, m, scratch); err != nil {
		return "", err
	}
	out := filepath.Join(scratch, "out")
	args := []string{"build", "-mod=mod", "-trimpath", "-buildvcs=false", "-ldflags", strings.TrimSpace("-s -w " + m.LinkerFlags), "-o", out + "/"}
	for _, pkg := range missing {
		args = append(args, path.Join(m.Path, pkg))
	}
	if err := b.run(ctx, scratch, args...); err != nil {
		return "", fmt.Errorf("build %s %s: %w", m.Path, m.Version, err)
	}
	for _, pkg := range missing {
		if err := cache.Publish(filepath.Join(out, m.binary(pkg)), filepath.Join(dir, m.binary(pkg))); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// Path is where a program of the module lies once it is built.
func (b Builder) Path(m Module, program string) string {
	return b.Cache.Path("bin", m.key(), program)
}

// Has reports whether all of the module's programs are built.
func (b Builder) Has(m Module) bool {
	for _, pkg := range m.Packages {
		if !cache.Has(b.Path(m, m.binary(pkg))) {
			return false
		}
	}
	return true
}

// Download returns the folder of a module's sources in Go's module cache.
func (b Builder) Download(ctx context.Context, modulePath, version string) (dir, goMod string, err error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", modulePath+"@"+version)
	cmd.Stdout, cmd.Stderr = &out, b.Log
	cmd.Dir = os.TempDir() // outside any module, whose replace lines would apply
	runErr := cmd.Run()
	var answer struct{ Dir, GoMod, Error string }
	if err := json.Unmarshal(out.Bytes(), &answer); err != nil {
		return "", "", fmt.Errorf("go mod download %s@%s: %w", modulePath, version, errors.Join(runErr, err))
	}
	if answer.Error != "" {
		return "", "", fmt.Errorf("go mod download: %s", answer.Error)
	}
	return answer.Dir, answer.GoMod, runErr
}

// writeModule writes a go.mod into dir that requires m and repeats what m's own go.mod says
// of its dependencies, which Go honours in the main module only.
func (b Builder) writeModule(ctx context.Context, m Module, dir string) error {
	_, goMod, err := b.Download(ctx, m.Path, m.Version)
	if err != nil {
		return err
	}
	raw, err := os.ReadFile(goMod)
	if err != nil {
		return err
	}
	text, err := wrapper(m, raw)
	if err != nil {
		return err
	}
	if m.Trim != nil {
		if err := b.trim(ctx, m.Trim, raw, filepath.Join(dir, trimmed)); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "go.mod"), text, 0o644)
}

func wrapper(m Module, upstream []byte) ([]byte, error) {
	theirs, err := modfile.Parse(m.Path+"/go.mod", upstream, nil)
	if err != nil {
		return nil, err
	}
	ours := new(modfile.File)
	if err := ours.AddModuleStmt("cluster.invalid/" + path.Base(m.Path)); err != nil {
		return nil, err
	}
	if theirs.Go != nil {
		if err := ours.AddGoStmt(theirs.Go.Version); err != nil {
			return nil, err
		}
	}
	for _, g := range theirs.Godebug {
		if err := ours.AddGodebug(g.Key, g.Value); err != nil {
			return nil, err
		}
	}
	if err := ours.AddRequire(m.Path, m.Version); err != nil {
		return nil, err
	}
	for _, r := range theirs.Replace {
		to, version := r.New.Path, r.New.Version
		if version == "" { // a folder inside the module
			if m.Staging == "" {
				return nil, fmt.Errorf("%s %s replaces %s by the folder %s, which is not published", m.Path, m.Version, r.Old.Path, to)
			}
			to, version = r.Old.Path, m.Staging
		}
		if err := ours.AddReplace(r.Old.Path, r.Old.Version, to, version); err != nil {
			return nil, err
		}
	}
	if m.Trim != nil {
		if err := ours.AddReplace(m.Trim.Path, "", "./"+trimmed, ""); err != nil {
			return nil, err
		}
	}
	for _, e := range theirs.Exclude {
		if err := ours.AddExclude(e.Mod.Path, e.Mod.Version); err != nil {
			return nil, err
		}
	}
	return ours.Format()
}

// run runs the Go command for static programs.
func (b Builder) run(ctx context.Context, dir string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOWORK=off")
	cmd.Stdout, cmd.Stderr = b.Log, b.Log
	return cmd.Run()
}
