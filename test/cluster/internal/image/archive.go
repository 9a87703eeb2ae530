package image

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// WriteArchive writes an image as a docker-archive, which containerd, podman, docker and
// kind all import. The file appears whole or not at all.
func WriteArchive(file, reference string, img v1.Image) error {
	tag, err := name.NewTag(reference)
	if err != nil {
		return fmt.Errorf("image reference: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	half := fmt.Sprintf("%s.%d.tmp", file, os.Getpid())
	defer os.Remove(half)
	if err := tarball.WriteToFile(half, tag, img); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return os.Rename(half, file)
}

// Archived is one image inside a docker-archive.
type Archived struct {
	Reference string
	// ConfigDigest is the image's identity ("sha256:..."), the one Kubernetes calls its
	// image ID.
	ConfigDigest string
}

// ReadArchive lists the images in a docker-archive without reading their layers.
func ReadArchive(file string) ([]Archived, error) {
	manifest, err := tarball.LoadManifest(opener(file))
	if err != nil {
		return nil, fmt.Errorf("%s: not a docker-archive: %w", file, err)
	}
	var found []Archived
	for _, m := range manifest {
		for _, tag := range m.RepoTags {
			ref, err := name.NewTag(tag)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			img, err := tarball.Image(opener(file), &ref)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			id, err := img.ConfigName()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			found = append(found, Archived{Reference: tag, ConfigDigest: id.String()})
		}
	}
	return found, nil
}

// Push copies every image of a docker-archive to a registry, keeping the path and tag of
// its name, and returns the new references.
func Push(ctx context.Context, file, registry string, insecure bool) ([]string, error) {
	images, err := ReadArchive(file)
	if err != nil {
		return nil, err
	}
	options := []crane.Option{crane.WithContext(ctx)}
	if insecure {
		options = append(options, crane.Insecure)
	}
	var pushed []string
	for _, archived := range images {
		ref, err := name.NewTag(archived.Reference)
		if err != nil {
			return nil, err
		}
		img, err := tarball.Image(opener(file), &ref)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		to := fmt.Sprintf("%s/%s:%s", registry, ref.RepositoryStr(), ref.TagStr())
		if err := crane.Push(img, to, options...); err != nil {
			return nil, fmt.Errorf("push %s: %w", to, err)
		}
		pushed = append(pushed, to)
	}
	return pushed, nil
}

func opener(file string) tarball.Opener {
	return func() (io.ReadCloser, error) { return os.Open(file) }
}
