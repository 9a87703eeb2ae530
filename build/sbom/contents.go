// Package sbom lists what is in an image, as an SPDX document: the Go modules of its programs, as
// the compiler recorded them, and its Debian packages, as dpkg has them. It looks at the image
// alone and not at how it was made.
package sbom

import (
	"archive/tar"
	"bytes"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// dpkgStatus is where dpkg lists the packages that are installed.
const dpkgStatus = "var/lib/dpkg/status"

// elf is how a program begins.
var elf = []byte("\x7fELF")

// program is a Go program in an image.
type program struct {
	path string
	info *buildinfo.BuildInfo
}

// contents are what an image is made of.
type contents struct {
	programs []program
	packages []debianPackage
}

// debianPackage is a paragraph of dpkg's list.
type debianPackage struct{ name, version, arch, source string }

// read looks through an image's layers.
func read(img v1.Image) (contents, error) {
	layers, err := img.Layers()
	if err != nil {
		return contents{}, err
	}
	var all contents
	for _, l := range layers {
		raw, err := l.Uncompressed()
		if err != nil {
			return contents{}, err
		}
		err = errors.Join(all.add(raw), raw.Close())
		if err != nil {
			return contents{}, err
		}
	}
	slices.SortFunc(all.programs, func(a, b program) int { return strings.Compare(a.path, b.path) })
	slices.SortFunc(all.packages, func(a, b debianPackage) int { return strings.Compare(a.name+a.arch, b.name+b.arch) })
	return all, nil
}

func (c *contents) add(layer io.Reader) error {
	r := tar.NewReader(layer)
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		if err := c.addFile(header, r); err != nil {
			return fmt.Errorf("/%s: %w", header.Name, err)
		}
	}
}

func (c *contents) addFile(header *tar.Header, content io.Reader) error {
	if header.Name == dpkgStatus {
		raw, err := io.ReadAll(content)
		c.packages = paragraphs(string(raw))
		return err
	}
	if header.Mode&0o111 == 0 {
		return nil
	}
	head := make([]byte, len(elf))
	if _, err := io.ReadFull(content, head); err != nil || !bytes.Equal(head, elf) {
		return nil //nolint:nilerr // too short for a program
	}
	rest, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	if info, err := buildinfo.Read(bytes.NewReader(append(head, rest...))); err == nil {
		c.programs = append(c.programs, program{path: "/" + header.Name, info: info})
	}
	return nil
}

// paragraphs reads dpkg's list.
func paragraphs(status string) []debianPackage {
	var all []debianPackage
	for paragraph := range strings.SplitSeq(status, "\n\n") {
		var p debianPackage
		for line := range strings.Lines(paragraph) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			switch name {
			case "Package":
				p.name = value
			case "Version":
				p.version = value
			case "Architecture":
				p.arch = value
			case "Source":
				p.source, _, _ = strings.Cut(value, " ")
			}
		}
		if p.name != "" {
			all = append(all, p)
		}
	}
	return all
}
