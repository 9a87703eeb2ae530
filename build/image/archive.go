package image

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

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

func opener(file string) tarball.Opener {
	return func() (io.ReadCloser, error) { return os.Open(file) }
}
