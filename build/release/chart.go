package release

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/org/vdi-operator/build/image"
	"github.com/org/vdi-operator/build/oci"
)

const (
	chartName = "vdi-operator"
	// chartRepository is not where the images are: the operator's image has the chart's name.
	chartRepository = "org/charts"
	chartReference  = "ghcr.io/" + chartRepository + "/" + chartName
)

// chart packs the chart, and makes of it what helm push would, so that it can be pushed with the
// images and has a digest before.
func (m *maker) chart(ctx context.Context) error {
	scratch, done, err := m.Builder.Cache.Scratch("chart")
	if err != nil {
		return err
	}
	defer done()
	if err := m.helm(ctx, "package", filepath.Join(m.Builder.Root, chartFolder), "--destination", scratch); err != nil {
		return err
	}
	archive := fmt.Sprintf("%s-%s.tgz", chartName, m.number)
	packed, err := m.repack(filepath.Join(scratch, archive))
	if err != nil {
		return err
	}
	if err := m.write(archive, packed); err != nil {
		return err
	}
	file := filepath.Join(m.dir, archive)
	// Helm takes the file's time for the artefact's.
	if err := os.Chtimes(file, m.Builder.Created, m.Builder.Created); err != nil {
		return err
	}
	return m.artefact(ctx, file, func(img v1.Image) error {
		layout, err := oci.Create(m.folder("chart"), chartReference, m.number, img)
		if err != nil {
			return err
		}
		d, err := oci.Describe(img)
		if err != nil {
			return err
		}
		return m.add(layout, chartReference, chartFolder, nil, d)
	})
}

func (m *maker) helm(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, m.Helm, args...)
	cmd.Env = append(os.Environ(), "TZ=UTC")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("helm %s: %w: %s", args[0], err, bytes.TrimSpace(out))
	}
	return nil
}

// repack sets the times in Helm's archive, which are those of its making, to the sources', and
// names the commit, the images and the changes in the chart.
func (m *maker) repack(archive string) ([]byte, error) {
	in, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	zip, err := gzip.NewReader(in)
	if err != nil {
		return nil, err
	}
	var files []file
	r := tar.NewReader(zip)
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return tarGz(files, m.Builder.Created)
		}
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		if header.Name == chartName+"/Chart.yaml" {
			text, err := m.hub(annotate(string(content), image.AnnotationRevision, m.Builder.Revision))
			if err != nil {
				return nil, err
			}
			content = []byte(text)
		}
		files = append(files, file{header.Name, 0o644, content})
	}
}

// annotate adds an annotation to a Chart.yaml.
func annotate(chart, key, value string) string {
	const field = "annotations:\n"
	line := "  " + key + ": " + value + "\n"
	if before, after, found := strings.Cut("\n"+chart, "\n"+field); found {
		return strings.TrimPrefix(before+"\n"+field+line+after, "\n")
	}
	return strings.TrimSuffix(chart, "\n") + "\n" + field + line
}

// artefact hands over what helm push makes of a packed chart. It pushes to a registry in this
// process, which ends afterwards.
func (m *maker) artefact(ctx context.Context, file string, use func(v1.Image) error) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: registry.New(registry.Logger(log.New(io.Discard, "", 0)))}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	defer func() { _ = server.Close(); <-served }()
	to := listener.Addr().String() + "/" + chartRepository
	if err := m.helm(ctx, "push", file, "oci://"+to, "--plain-http"); err != nil {
		return err
	}
	ref, err := name.ParseReference(to+"/"+chartName+":"+m.number, name.Insecure)
	if err != nil {
		return err
	}
	img, err := remote.Image(ref, remote.WithContext(ctx))
	if err != nil {
		return err
	}
	return use(img)
}
