package node

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"

	"github.com/org/vdi-operator/build/image"
	"github.com/org/vdi-operator/test/cluster/internal/layout"
)

// namespace is the one containerd keeps Kubernetes' images in.
const namespace = "k8s.io"

// Store is containerd's images.
type Store struct{ Layout layout.Layout }

// Load imports the archives whose images containerd does not have yet, and returns the
// references it imported and those that were there.
func (s Store) Load(ctx context.Context, archives ...string) (imported, present []string, err error) {
	have, err := s.images(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, archive := range archives {
		images, err := image.ReadArchive(archive)
		if err != nil {
			// An OCI archive: containerd finds out by itself what it has.
			if err := s.ctr(ctx, "images", "import", archive); err != nil {
				return imported, present, err
			}
			imported = append(imported, archive)
			continue
		}
		var missing []string
		for _, i := range images {
			if have.holds(i) {
				present = append(present, i.Reference)
			} else {
				missing = append(missing, i.Reference)
			}
		}
		if len(missing) == 0 {
			continue
		}
		if err := s.ctr(ctx, "images", "import", archive); err != nil {
			return imported, present, err
		}
		imported = append(imported, missing...)
	}
	return imported, present, nil
}

// catalogue is what containerd has: the digest behind each name. Besides its tag, every
// image has a name made of its configuration's digest.
type catalogue map[string]string

func (c catalogue) holds(i image.Archived) bool {
	digest, ok := c[i.ConfigDigest]
	return ok && c[i.Reference] == digest
}

func (s Store) images(ctx context.Context) (catalogue, error) {
	cmd := s.command(ctx, "images", "ls")
	var problem bytes.Buffer
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("ctr images ls: %w: %s", err, bytes.TrimSpace(problem.Bytes()))
	}
	return parseImages(string(out)), nil
}

// parseImages reads "REF TYPE DIGEST SIZE ..." lines below a heading.
func parseImages(table string) catalogue {
	found := catalogue{}
	for line := range strings.Lines(table) {
		if fields := strings.Fields(line); len(fields) > 2 && strings.Contains(fields[2], ":") {
			found[fields[0]] = fields[2]
		}
	}
	return found
}

func (s Store) ctr(ctx context.Context, args ...string) error {
	if out, err := s.command(ctx, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ctr %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// Ready reports whether containerd answers.
func (s Store) Ready(ctx context.Context) error { return s.ctr(ctx, "version") }

func (s Store) command(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "ctr", append([]string{"--address", s.Layout.ContainerdSocket(), "--namespace", namespace}, args...)...)
}
