package image

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// Source is where the images' sources are, in the words of the OCI image specification.
const Source = "https://github.com/org/vdi-operator"

// The annotations by which an image names what it was made from, as that specification has them.
const (
	AnnotationSource   = "org.opencontainers.image.source"
	AnnotationVersion  = "org.opencontainers.image.version"
	AnnotationRevision = "org.opencontainers.image.revision"
	AnnotationCreated  = "org.opencontainers.image.created"
)

// Platforms are those that images can be built for, whichever of them the machine is.
func Platforms() []string {
	var all []string
	for _, arch := range slices.Sorted(maps.Keys(triplets)) {
		all = append(all, "linux/"+arch)
	}
	return all
}

// Architectures reads platforms such as linux/arm64.
func Architectures(platforms []string) ([]string, error) {
	var arches []string
	for _, p := range platforms {
		arch, ok := strings.CutPrefix(p, "linux/")
		if _, known := triplets[arch]; !ok || !known {
			return nil, fmt.Errorf("platform %q: want one or more of %s, separated by commas", p, strings.Join(Platforms(), ", "))
		}
		arches = append(arches, arch)
	}
	return arches, nil
}

// plain is an image that an index names as an image and not as an artefact of some type.
type plain struct{ v1.Image }

// ArtifactType is none.
func (plain) ArtifactType() (string, error) { return "", nil }

// Index makes the image of a spec for several architectures, under one digest.
func (b Builder) Index(ctx context.Context, spec Spec, arches []string) (v1.ImageIndex, error) {
	var index v1.ImageIndex = empty.Index
	for _, arch := range arches {
		b.Arch = arch
		img, err := b.Build(ctx, spec)
		if err != nil {
			return nil, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: plain{img}, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}},
		})
	}
	annotated, ok := mutate.Annotations(index, b.annotations()).(v1.ImageIndex)
	if !ok {
		return nil, fmt.Errorf("%s: annotations made something else of the index", spec.Name)
	}
	return annotated, nil
}

func (b Builder) annotations() map[string]string {
	all := map[string]string{AnnotationSource: Source}
	if b.Version != "" {
		all[AnnotationVersion] = b.Version
	}
	if b.Revision != "" {
		all[AnnotationRevision] = b.Revision
	}
	if !b.Created.IsZero() {
		all[AnnotationCreated] = b.Created.UTC().Format(time.RFC3339)
	}
	return all
}
