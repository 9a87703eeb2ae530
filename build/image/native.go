package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/org/vdi-operator/build/cache"
	"github.com/org/vdi-operator/build/debian"
)

// rootfsRecipe changes whenever debianLayer would make something else of the same
// packages, so that older cache entries are not used.
const rootfsRecipe = "3"

// notInstalled are dpkg patterns of files that no container reads.
var notInstalled = []string{
	"/" + docs + "/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/lintian/*",
	"/usr/share/locale/*", "/usr/share/help/*", "/usr/share/gtk-doc/*", "/usr/share/bug/*",
}

// installedAnyway are kept nevertheless. Who passes a package on passes its licence on.
var installedAnyway = []string{"/usr/share/locale/locale.alias", "/" + docs + "/*/copyright"}

// notKept are left out of the layer: what the package manager wrote for itself, how this
// machine reaches its mirror, and devices, which the runtime supplies.
var notKept = []string{
	"dev/", "proc/", "sys/", "var/cache/apt/", "var/cache/debconf/", "var/lib/apt/lists/", "var/log/",
	"var/cache/ldconfig/", "etc/apt/sources.list", "etc/apt/apt.conf.d/99mmdebstrap",
	"var/lib/dpkg/status-old", "var/lib/dpkg/available-old", "etc/resolv.conf", "etc/hostname",
	"etc/machine-id", "var/lib/dbus/machine-id",
}

// debianLayer returns a layer with a minimal Debian that has the packages installed. It
// comes from the cache when the same packages were asked for before.
func (b Builder) debianLayer(ctx context.Context, packages []string) (v1.Layer, error) {
	packages = slices.Compact(slices.Sorted(slices.Values(packages)))
	host, err := readAptHost("/etc")
	if err != nil {
		return nil, err
	}
	key := cache.Key(append([]string{rootfsRecipe, host.suite}, packages...)...)
	native := b.Cache.Path("rootfs", host.suite+"-"+key+".tar.gz")
	if !cache.Has(native) {
		if err := b.bootstrap(ctx, host, packages, native); err != nil {
			return nil, err
		}
	}
	if b.arch() == runtime.GOARCH {
		return tarball.LayerFromFile(native, layerOptions()...)
	}
	final := b.Cache.Path("rootfs", fmt.Sprintf("%s-%s-%s.tar.gz", host.suite, cache.Key(key, foreignRecipe), b.arch()))
	if !cache.Has(final) {
		if err := b.foreign(ctx, host, packages, native, final); err != nil {
			return nil, err
		}
	}
	return tarball.LayerFromFile(final, layerOptions()...)
}

// bootstrap runs mmdebstrap and stores what it made, trimmed, at final.
func (b Builder) bootstrap(ctx context.Context, host aptHost, packages []string, final string) error {
	if _, err := debian.Install(ctx, b.Log, debian.Tool{File: "mmdebstrap", Package: "mmdebstrap"}); err != nil {
		return err
	}
	dir, cleanup, err := b.Cache.Scratch("rootfs")
	if err != nil {
		return err
	}
	defer cleanup()
	sources, options := filepath.Join(dir, "host.sources"), filepath.Join(dir, "apt.conf")
	if err := os.WriteFile(sources, []byte(host.sources), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(options, []byte(host.options), 0o644); err != nil {
		return err
	}
	raw := filepath.Join(dir, "rootfs.tar")
	args := []string{
		"--variant=minbase", "--quiet", "--include=" + strings.Join(packages, ","),
		"--aptopt=" + options, "--aptopt=Apt::Install-Recommends \"false\"", "--aptopt=Acquire::Languages \"none\"",
	}
	for _, pattern := range notInstalled {
		args = append(args, "--dpkgopt=path-exclude="+pattern)
	}
	for _, pattern := range installedAnyway {
		args = append(args, "--dpkgopt=path-include="+pattern)
	}
	args = append(args, host.suite, raw, sources)
	cmd := exec.CommandContext(ctx, "mmdebstrap", args...)
	cmd.Env = append(os.Environ(), fmt.Sprintf("SOURCE_DATE_EPOCH=%d", buildTime.Unix()), "TMPDIR="+dir)
	cmd.Stdout, cmd.Stderr = b.Log, b.Log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("mmdebstrap %s with %v: %w (when packages were not found, run apt-get update)", host.suite, packages, err)
	}
	trimmed := filepath.Join(dir, "rootfs.tar.gz")
	if err := trim(raw, trimmed); err != nil {
		return fmt.Errorf("trim the root filesystem: %w", err)
	}
	return cache.Publish(trimmed, final)
}

// trim copies a root filesystem, leaving out what notKept names and setting every time
// to buildTime.
func trim(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	return compressed(to, func(zip io.Writer) error { return trimTar(in, zip) })
}

// compressed makes a file of what write writes.
func compressed(to string, write func(io.Writer) error) error {
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	zip, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
	if err != nil {
		return err
	}
	if err := write(zip); err != nil {
		return err
	}
	return errors.Join(zip.Close(), out.Close())
}

func trimTar(in io.Reader, out io.Writer) error {
	r, w := tar.NewReader(in), tar.NewWriter(out)
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return w.Close()
		}
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(header.Name, "./")
		header.Name = name
		if name == "" || dropped(name) || excluded(header) {
			continue
		}
		undate(header)
		content := io.Reader(r)
		if name == "etc/shadow" || name == "etc/shadow-" {
			if content, err = undated(r, header); err != nil {
				return err
			}
		}
		if err := w.WriteHeader(header); err != nil {
			return err
		}
		if _, err := io.Copy(w, content); err != nil {
			return err
		}
	}
}

// undate sets every time to buildTime, and leaves owners to their numbers.
func undate(header *tar.Header) {
	header.ModTime, header.AccessTime, header.ChangeTime = buildTime, buildTime, buildTime
	header.Uname, header.Gname = "", ""
	header.Format = tar.FormatPAX
}

// dropped reports whether an entry stays out. A pattern that ends in a slash keeps the
// folder itself and drops what is in it.
func dropped(name string) bool {
	for _, pattern := range notKept {
		if strings.HasPrefix(name, pattern) && name != pattern {
			return true
		}
		if name == pattern && !strings.HasSuffix(pattern, "/") {
			return true
		}
	}
	return false
}

// docs is where packages have their licences. Some share one, by a link to the other's folder.
const docs = "usr/share/doc"

// excluded reports whether a package's path stays out. dpkg leaves files out where it installs,
// but keeps folders and links that might lead to what is installed anyway.
func excluded(header *tar.Header) bool {
	name := "/" + strings.TrimSuffix(header.Name, "/")
	kept := func(pattern string) bool { return matches(pattern, name) }
	if slices.ContainsFunc(installedAnyway, kept) || header.Typeflag == tar.TypeSymlink && path.Dir(name) == "/"+docs {
		return false
	}
	return slices.ContainsFunc(notInstalled, kept)
}

// matches is fnmatch without flags, as dpkg has it: an asterisk stands for slashes too.
func matches(pattern, name string) bool {
	first, rest, starred := strings.Cut(pattern, "*")
	if !starred {
		return pattern == name
	}
	after, ok := strings.CutPrefix(name, first)
	return ok && strings.HasSuffix(after, rest)
}

// undated rewrites the day of the last password change, the only date in a fresh
// /etc/shadow, which packages set to today.
func undated(r io.Reader, header *tar.Header) (io.Reader, error) {
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	day := fmt.Sprint(buildTime.Unix() / (24 * 60 * 60))
	lines := strings.Split(string(raw), "\n")
	for i, line := range lines {
		if fields := strings.Split(line, ":"); len(fields) > 2 {
			fields[2] = day
			lines[i] = strings.Join(fields, ":")
		}
	}
	raw = []byte(strings.Join(lines, "\n"))
	header.Size = int64(len(raw))
	return bytes.NewReader(raw), nil
}
