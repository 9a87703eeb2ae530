// Package release makes all that a release of VDI Operator has: images with what they are made of,
// the chart, the plugin, checksums and notes. The same commit gives the same bytes, on any machine
// that has the same Go, the same Helm and the same Debian packages.
package release

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/org/vdi-operator/build/image"
	"github.com/org/vdi-operator/build/oci"
)

// Options are what a release is made of and where it goes.
type Options struct {
	// Builder has the sources; its Version is the tag, such as v0.3.0, its Revision the commit and
	// Created the commit's time.
	Builder image.Builder
	// Recipes are the images', relative to the working folder.
	Recipes []string
	// Platforms of the images.
	Platforms []string
	// Kubectl are the platforms of the plugin; empty: all on which people run kubectl.
	Kubectl []image.Target
	// Out is the folder in which the release gets one of its own.
	Out string
	// Registry takes images and chart. Empty: they stay in the folder.
	Registry string
	Insecure bool
	// Helm is the program.
	Helm string
	// Key signs, as cosign understands it: a file or a key management system's URI. Empty: nothing
	// is signed.
	Key string
	// Maker is a URI that names who makes it.
	Maker string
	// Progress is told each step.
	Progress io.Writer
}

// maker makes one release.
type maker struct {
	Options
	// dir is the release's folder.
	dir string
	// number is the version without its v: the chart's version and the images' tag.
	number string
	// notes are the version's section of the changelog.
	notes string
	// signedBy is the key by which the release can be checked, as Artifact Hub shows it; nil: nobody
	// signs it.
	signedBy *hubKey
	// layouts are the images and the chart.
	layouts []product
}

// product is an image or the chart: its name, its layout, and what is known of how it was made.
type product struct {
	name      string
	layout    oci.Layout
	predicate []byte
	// pushed is its reference in the registry.
	pushed string
}

// Make makes a release and returns its folder.
func Make(ctx context.Context, o Options) (string, error) {
	notes, err := check(ctx, o)
	if err != nil {
		return "", err
	}
	m := &maker{Options: o, dir: filepath.Join(o.Out, o.Builder.Version), number: strings.TrimPrefix(o.Builder.Version, "v"), notes: notes}
	if err := os.RemoveAll(m.dir); err != nil {
		return "", err
	}
	if err := os.MkdirAll(m.dir, 0o755); err != nil {
		return "", err
	}
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"release notes", func(context.Context) error { return m.write("release-notes.md", []byte(notes)) }},
		{"the public key", m.publicKey},
		{"the plugin's archives", m.plugin},
		{"the chart", m.chart},
		{"images", m.images},
		{"checksums", m.checksums},
		{"push", m.push},
		{"signatures", m.sign},
	} {
		fmt.Fprintln(m.Progress, "==>", step.what)
		if err := step.do(ctx); err != nil {
			return "", fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return m.dir, nil
}

// write writes a file of the release.
func (m *maker) write(name string, content []byte) error {
	file := filepath.Join(m.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o644)
}
