package oci

import (
	"context"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// The annotations by which tools that read a layout know an image: its tag, and its whole name.
const (
	annotationTag  = "org.opencontainers.image.ref.name"
	annotationName = "io.containerd.image.name"
)

// Layout is a folder with one image, in the form of the OCI image layout, and what refers to it.
type Layout struct {
	path layout.Path
}

// Create makes a layout of an image or an index whose name is repository:tag.
func Create(folder, repository, tag string, what mutate.Appendable) (Layout, error) {
	path, err := layout.Write(folder, empty.Index)
	if err != nil {
		return Layout{}, fmt.Errorf("image layout %s: %w", folder, err)
	}
	named := layout.WithAnnotations(map[string]string{annotationTag: tag, annotationName: repository + ":" + tag})
	switch of := what.(type) {
	case v1.ImageIndex:
		err = path.AppendIndex(of, named)
	case v1.Image:
		err = path.AppendImage(of, named)
	default:
		err = fmt.Errorf("a %T is no image", what)
	}
	if err != nil {
		return Layout{}, fmt.Errorf("image layout %s: %w", folder, err)
	}
	return Layout{path: path}, nil
}

// Attach adds a document about an image to its layout: an artefact that refers to the image, by
// which registries list it (the referrers of the OCI distribution specification). The annotations
// are the document's.
func (l Layout) Attach(subject v1.Descriptor, mediaType string, document []byte, annotations map[string]string) error {
	plain := v1.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size}
	img, err := mutate.Append(mutate.MediaType(empty.Image, types.OCIManifestSchema1),
		mutate.Addendum{Layer: static.NewLayer(document, types.MediaType(mediaType)), Annotations: annotations})
	if err != nil {
		return err
	}
	// Without a field artifactType the configuration's media type stands for it.
	img = mutate.ConfigMediaType(img, types.MediaType(mediaType))
	artefact, ok := mutate.Subject(img, plain).(v1.Image)
	if !ok {
		return errors.New("an artefact with a subject is no image any more")
	}
	return l.path.AppendImage(artefact)
}

// PushLayout copies a layout to where rename puts the image's name, and returns the image's reference
// there, with its digest.
func (r Registry) PushLayout(ctx context.Context, l Layout, rename func(name string) string) (string, error) {
	index, err := l.path.ImageIndex()
	if err != nil {
		return "", err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return "", err
	}
	var repository, reference string
	for _, d := range manifest.Manifests {
		to := repository + "@" + d.Digest.String()
		if full := d.Annotations[annotationName]; full != "" {
			repository = rename(full[:len(full)-len(d.Annotations[annotationTag])-1])
			to, reference = repository+":"+d.Annotations[annotationTag], repository+":"+d.Annotations[annotationTag]+"@"+d.Digest.String()
		}
		what, err := load(index, d)
		if err != nil {
			return "", err
		}
		if err := r.Push(ctx, to, what); err != nil {
			return "", err
		}
	}
	return reference, nil
}

func load(index v1.ImageIndex, d v1.Descriptor) (remote.Taggable, error) {
	if d.MediaType.IsIndex() {
		return index.ImageIndex(d.Digest)
	}
	return index.Image(d.Digest)
}

// Describe is the descriptor by which others refer to an image.
func Describe(what partial.Describable) (v1.Descriptor, error) {
	d, err := partial.Descriptor(what)
	if err != nil {
		return v1.Descriptor{}, err
	}
	return *d, nil
}
