package image

import (
	"cmp"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/org/vdi-operator/build/cache"
)

const (
	// certificates is where Debian's package ca-certificates has the authorities that Mozilla
	// trusts, a file each. Those that a machine's administrator added are elsewhere, and stay out.
	certificates = "/usr/share/ca-certificates/mozilla"
	// bundle is where Go programs look first.
	bundle = "/etc/ssl/certs/ca-certificates.crt"
)

// Builder turns specs into images.
type Builder struct {
	// Root is the repository; specs name their files relative to it.
	Root string
	// Cache holds root filesystems between builds.
	Cache cache.Dir
	// Arch is the images' architecture, in Go's words, which are Debian's for those that
	// triplets has. Empty: this machine's.
	Arch string
	// Version and Revision are told to the programs whose spec asks for it.
	Version, Revision string
	// Created is when an image says it was made. Zero: buildTime.
	Created time.Time
	// Log receives the output of the compiler and of mmdebstrap.
	Log io.Writer
}

func (b Builder) arch() string { return cmp.Or(b.Arch, runtime.GOARCH) }

// Build makes the image of a spec: a layer of Debian packages, one of files and one of Go
// programs, in this order, so that what changes most often lies on top.
func (b Builder) Build(ctx context.Context, spec Spec) (v1.Image, error) {
	var layers []v1.Layer
	if len(spec.Debian) > 0 {
		rootfs, err := b.debianLayer(ctx, spec.Debian)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", spec.Name, err)
		}
		layers = append(layers, rootfs)
	}
	files, err := b.files(spec)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", spec.Name, err)
	}
	programs, cleanup, err := b.programs(ctx, spec.Go)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", spec.Name, err)
	}
	defer cleanup()
	for _, entries := range [][]entry{files, programs} {
		if len(entries) == 0 {
			continue
		}
		l, err := layer(entries)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", spec.Name, err)
		}
		layers = append(layers, l)
	}
	return assemble(spec, layers, b.arch(), b.Created)
}

// FromFiles makes an image of files that are there already, such as programs that are
// compiled, keyed by their path in the image.
func FromFiles(spec Spec, files map[string]string) (v1.Image, error) {
	entries := make([]entry, 0, len(files))
	for inImage, onDisk := range files {
		info, err := os.Stat(onDisk)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", spec.Name, err)
		}
		entries = append(entries, entry{path: inImage, source: onDisk, mode: fileMode(info, 0)})
	}
	l, err := layer(entries)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", spec.Name, err)
	}
	return assemble(spec, []v1.Layer{l}, runtime.GOARCH, time.Time{})
}

func assemble(spec Spec, layers []v1.Layer, arch string, created time.Time) (v1.Image, error) {
	if created.IsZero() {
		created = buildTime
	}
	img, err := mutate.AppendLayers(empty.Image, layers...)
	if err != nil {
		return nil, err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", arch
	file.Created = v1.Time{Time: created}
	for i := range file.History {
		file.History[i].Created = v1.Time{Time: created}
	}
	env := spec.Env
	if !hasPath(env) {
		env = append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, env...)
	}
	ports := map[string]struct{}{}
	for _, port := range spec.Ports {
		ports[port] = struct{}{}
	}
	file.Config = v1.Config{
		User: spec.User, WorkingDir: spec.WorkDir, Env: env, ExposedPorts: ports,
		Entrypoint: spec.Entrypoint, Cmd: spec.Cmd, Labels: spec.Labels,
	}
	return mutate.ConfigFile(mutate.ConfigMediaType(mutate.MediaType(img, types.OCIManifestSchema1), types.OCIConfigJSON), file)
}

func hasPath(env []string) bool {
	for _, e := range env {
		if len(e) >= 5 && e[:5] == "PATH=" {
			return true
		}
	}
	return false
}

// files lists the spec's folders, files, links and certificates.
func (b Builder) files(spec Spec) ([]entry, error) {
	var entries []entry
	for _, d := range spec.Directories {
		mode := int64(d.Mode)
		if mode == 0 {
			mode = 0o755
		}
		entries = append(entries, entry{path: d.Path, mode: mode, uid: d.UID, gid: d.GID})
	}
	for _, f := range spec.Files {
		found, err := fileEntries(b.Root, f)
		if err != nil {
			return nil, err
		}
		entries = append(entries, found...)
	}
	for _, l := range spec.Links {
		entries = append(entries, entry{path: l.Path, target: l.Target})
	}
	if spec.CACertificates {
		all, err := authorities(certificates)
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry{path: bundle, content: all, mode: 0o644})
	}
	return entries, nil
}

// authorities is the bundle of the certificates in a folder.
func authorities(folder string) ([]byte, error) {
	files, _ := filepath.Glob(filepath.Join(folder, "*.crt"))
	if len(files) == 0 {
		return nil, fmt.Errorf("caCertificates: %s holds none: install the package ca-certificates", folder)
	}
	var all []byte
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("caCertificates: %w", err)
		}
		all = append(all, raw...)
	}
	return all, nil
}

// programs compiles the spec's Go programs into a scratch folder that cleanup removes.
func (b Builder) programs(ctx context.Context, programs []Program) ([]entry, func(), error) {
	if len(programs) == 0 {
		return nil, func() {}, nil
	}
	dir, cleanup, err := b.Cache.Scratch("go")
	if err != nil {
		return nil, nil, err
	}
	var entries []entry
	for i, p := range programs {
		out := filepath.Join(dir, fmt.Sprintf("%d-%s", i, filepath.Base(p.Path)))
		if err := b.compile(ctx, p, out); err != nil {
			cleanup()
			return nil, nil, err
		}
		entries = append(entries, entry{path: p.Path, source: out, mode: 0o755})
	}
	return entries, cleanup, nil
}

// layerOptions compress for speed: these images are built and unpacked far more often
// than they travel.
func layerOptions() []tarball.LayerOption {
	return []tarball.LayerOption{tarball.WithCompressionLevel(gzip.BestSpeed), tarball.WithMediaType(types.OCILayer)}
}
