package cluster

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/org/vdi-operator/build/cache"
	"github.com/org/vdi-operator/build/image"
	"github.com/org/vdi-operator/test/cluster/internal/addons"
	"github.com/org/vdi-operator/test/cluster/internal/build"
	"github.com/org/vdi-operator/test/cluster/internal/versions"
)

// imagePrefix makes references that Knative does not look up in a registry.
const imagePrefix = "dev.local/vdi-cluster/"

// nonRoot is the user of images whose pods insist on not being root; they check for a number.
const nonRoot = "65532"

// artifacts is all that has to be built before a cluster can start.
type artifacts struct {
	kubernetes string // folder of programs
	// archives are the images' files, references their names by part.
	archives   []string
	references map[string]string
	knative    string // published manifests
	localPath  string
}

// part is a program that runs in the cluster.
type part struct {
	name    string
	program string // on disk
	path    string // in the image
	user    string
	// data are files that the program reads, by their path in the image, and env is where
	// it is told so.
	data map[string]string
	env  []string
}

// knativePrefix comes before a Knative command's name in that of its part.
const knativePrefix = "knative-"

// knativeCommands are Knative's programs; "queue" runs beside every user's container.
var knativeCommands = []string{"controller", "activator", "autoscaler", "webhook", "queue"}

// makeArtifacts builds what the cache lacks.
func makeArtifacts(ctx context.Context, repo string, c cache.Dir, log io.Writer, progress *Progress) (*artifacts, error) {
	b := build.Builder{Cache: c, Log: log}
	a := &artifacts{references: map[string]string{}}
	var parts []part

	err := progress.Step("build Kubernetes "+versions.Kubernetes, func() (err error) {
		a.kubernetes, err = b.Binaries(ctx, build.Kubernetes())
		return err
	})
	if err != nil {
		return nil, err
	}
	err = progress.Step("build Knative Serving "+versions.Knative, func() error {
		knative, err := knativeParts(ctx, b)
		if err != nil {
			return err
		}
		parts = append(parts, knative...)
		a.knative, err = addons.KnativeSources(ctx, b)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = progress.Step("build DNS, storage and device plugin", func() error {
		dir, err := b.Binaries(ctx, build.LocalPathProvisioner())
		if err != nil {
			return err
		}
		parts = append(parts, part{name: "local-path-provisioner", program: filepath.Join(dir, "local-path-provisioner"), path: "/usr/bin/local-path-provisioner"})
		if a.localPath, err = addons.LocalPathSources(ctx, b); err != nil {
			return err
		}
		for _, own := range []struct{ name, user string }{{"pause", nonRoot}, {"volume", ""}, {"coredns", ""}, {"deviceplugin", ""}} {
			program, err := b.Part(ctx, repo, own.name)
			if err != nil {
				return err
			}
			parts = append(parts, part{name: own.name, program: program, path: "/" + own.name, user: own.user})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		if err := a.addImage(c, p); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// knativeParts builds what the cache lacks of Knative Serving's programs.
func knativeParts(ctx context.Context, b build.Builder) ([]part, error) {
	dir, err := b.Binaries(ctx, build.Knative())
	if err != nil {
		return nil, err
	}
	var parts []part
	for _, name := range knativeCommands {
		parts = append(parts, part{name: knativePrefix + name, program: filepath.Join(dir, name), path: "/ko-app/" + name, user: nonRoot})
	}
	return parts, nil
}

// knativeImages maps a command's name, such as "controller", to its image.
func (a *artifacts) knativeImages() map[string]string {
	images := map[string]string{}
	for _, name := range knativeCommands {
		images[name] = a.references[knativePrefix+name]
	}
	return images
}

// addImage packs a part into an image, unless the cache has it. The tag is made of what is
// in the image, so a changed program is a changed reference.
func (a *artifacts) addImage(c cache.Dir, p part) error {
	info, err := os.Stat(p.program)
	if err != nil {
		return err
	}
	// The folder's name holds the hash of what the program was built from.
	ingredients := []string{p.name, filepath.Base(filepath.Dir(p.program)), fmt.Sprint(info.Size()), p.path, p.user}
	ingredients = append(ingredients, slices.Sorted(maps.Keys(p.data))...)
	key := cache.Key(append(ingredients, p.env...)...)
	reference := imagePrefix + p.name + ":" + key
	archive := c.Path("images", p.name+"-"+key+".tar")
	if !cache.Has(archive) {
		files := map[string]string{p.path: p.program}
		maps.Copy(files, p.data)
		img, err := image.FromFiles(image.Spec{Name: imagePrefix + p.name, User: p.user, Env: p.env, Entrypoint: []string{p.path}}, files)
		if err != nil {
			return err
		}
		if err := image.WriteArchive(archive, reference, img); err != nil {
			return err
		}
	}
	a.archives = append(a.archives, archive)
	a.references[p.name] = reference
	return nil
}

// everythingBuilt reports whether the large programs are in the cache.
func everythingBuilt(c cache.Dir) bool {
	b := build.Builder{Cache: c}
	return b.Has(build.Kubernetes()) && b.Has(build.Knative()) && b.Has(build.LocalPathProvisioner())
}
