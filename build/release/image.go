package release

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/org/vdi-operator/build/image"
	"github.com/org/vdi-operator/build/oci"
	"github.com/org/vdi-operator/build/provenance"
	"github.com/org/vdi-operator/build/sbom"
)

// title is the annotation that names a document's file.
const title = "org.opencontainers.image.title"

// source is where a version's sources are.
func source(tag string) string { return image.Source + "/blob/" + tag }

// images makes each image, with a list of what is in it for each platform and a statement of how
// it was made.
func (m *maker) images(ctx context.Context) error {
	arches, err := image.Architectures(m.Platforms)
	if err != nil {
		return err
	}
	var names strings.Builder
	for _, recipe := range m.Recipes {
		name, err := m.image(ctx, recipe, arches)
		if err != nil {
			return err
		}
		fmt.Fprintln(&names, name)
	}
	return m.write("images.txt", []byte(names.String()))
}

// image makes the image of a recipe, and returns its name with tag and digest.
func (m *maker) image(ctx context.Context, recipe string, arches []string) (string, error) {
	spec, err := image.ReadSpec(recipe)
	if err != nil {
		return "", err
	}
	fmt.Fprintln(m.Progress, "   ", spec.Name)
	index, err := m.Builder.Index(ctx, spec, arches)
	if err != nil {
		return "", err
	}
	layout, err := oci.Create(m.folder(spec.Name), spec.Name, m.number, index)
	if err != nil {
		return "", err
	}
	if err := m.listContents(layout, spec.Name, index); err != nil {
		return "", err
	}
	relative, err := filepath.Rel(m.Builder.Root, absolute(recipe))
	if err != nil {
		return "", err
	}
	d, err := oci.Describe(index)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s:%s@%s", spec.Name, m.number, d.Digest), m.add(layout, spec.Name, filepath.ToSlash(relative), m.Platforms, d)
}

func absolute(file string) string {
	if abs, err := filepath.Abs(file); err == nil {
		return abs
	}
	return file
}

// folder is where an image's layout lies.
func (m *maker) folder(name string) string {
	return filepath.Join(m.dir, layoutsFolder, path.Base(name))
}

// listContents attaches to each of an index's images what is in it.
func (m *maker) listContents(layout oci.Layout, name string, index v1.ImageIndex) error {
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	for _, d := range manifest.Manifests {
		img, err := index.Image(d.Digest)
		if err != nil {
			return err
		}
		document, err := sbom.Of(img, sbom.About{Name: name, Version: m.Builder.Version, Created: m.Builder.Created})
		if err != nil {
			return err
		}
		file := fmt.Sprintf("%s_%s_%s.spdx.json", path.Base(name), d.Platform.OS, d.Platform.Architecture)
		if err := layout.Attach(d, sbom.MediaType, document, map[string]string{title: file}); err != nil {
			return err
		}
		if err := m.write(file, document); err != nil {
			return err
		}
	}
	return nil
}

// add takes an image or the chart into the release, with a statement of how it was made.
func (m *maker) add(layout oci.Layout, name, recipe string, platforms []string, d v1.Descriptor) error {
	made := provenance.Build{
		Source: image.Source, Revision: m.Builder.Revision, Version: m.Builder.Version,
		Recipe: recipe, Platforms: platforms, Go: runtime.Version(), Builder: m.Maker,
	}
	statement, predicate, err := made.Statement(name, d.Digest)
	if err != nil {
		return err
	}
	file := path.Base(name) + ".provenance.json"
	if recipe == chartFolder {
		file = "chart.provenance.json"
	}
	if err := layout.Attach(d, provenance.MediaType, statement, map[string]string{title: file}); err != nil {
		return err
	}
	m.layouts = append(m.layouts, product{name: name, layout: layout, predicate: predicate})
	return m.write(file, statement)
}
