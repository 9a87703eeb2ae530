package harness

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// PreviousVersion is the version before this tree's. It runs sessions on Knative only.
const PreviousVersion = "0.1.0"

// revisionAnnotation is where a packaged chart names the source of its programs, as images
// do (the OCI image specification's annotations).
const revisionAnnotation = "org.opencontainers.image.revision"

// previousImages are those of its images that the product runs, by the value that
// names them.
var previousImages = map[string]string{
	"operator": "operator.image", "activator": "activator.image", "agent": "agent.image", "coturn": "coturn.image",
}

// Previous returns the previous version's packaged chart and the settings of helm upgrade
// under which it runs as this tree's does. It builds the images that belong to the chart
// and brings them to the cluster's node. Without Knative, where that version cannot run,
// it is this tree's with pods that every upgrade replaces.
func (in *Installation) Previous(ctx context.Context) (chart string, settings []string, err error) {
	if in.PortForward {
		return "", nil, ErrNotOurs
	}
	// Later flags of helm win over earlier ones.
	settings = slices.Clone(in.Settings)
	if !in.Knative {
		for _, program := range []string{Operator, Activator, "coturn"} {
			settings = append(settings, "--set-string", program+".podAnnotations.version="+PreviousVersion)
		}
		return in.Chart(), settings, nil
	}
	chart = filepath.Join(in.Root, "test", "chart", "testdata", "vdi-operator-"+PreviousVersion+".tgz")
	tree := filepath.Join(in.Root, "out", "previous")
	if err := in.checkOut(ctx, chart, tree); err != nil {
		return "", nil, err
	}
	programs, images := filepath.Join(in.Root, "bin"), filepath.Join(tree, "out")
	if err := os.MkdirAll(images, 0o755); err != nil {
		return "", nil, err
	}
	build, load := []string{"images", "--tag", PreviousVersion, "--out", images}, []string{"load"}
	for name := range previousImages {
		build = append(build, filepath.Join(tree, "test", "cluster", "images", name+".yaml"))
		load = append(load, filepath.Join(images, name+".tar"))
	}
	built, err := Output(ctx, tree, filepath.Join(programs, "builder"), build...)
	if err == nil {
		err = run(ctx, tree, filepath.Join(programs, "cluster"), load...)
	}
	if err != nil {
		return "", nil, fmt.Errorf("version %s: %w", PreviousVersion, err)
	}
	// It need not know every setting of this tree's.
	settings = append(settings, "--skip-schema-validation")
	for _, reference := range strings.Fields(built) {
		repository, tag, _ := strings.Cut(reference, ":")
		value := previousImages[repository[strings.LastIndex(repository, "-")+1:]]
		settings = append(settings, "--set", value+".repository="+repository, "--set-string", value+".tag="+tag)
	}
	return chart, settings, nil
}

// checkOut lays out the source of a packaged chart's programs in a folder.
func (in *Installation) checkOut(ctx context.Context, chart, tree string) error {
	out, err := in.Release().Helm(ctx, "show", "chart", chart)
	if err != nil {
		return err
	}
	var metadata struct {
		Annotations map[string]string `json:"annotations"`
	}
	if err := yaml.Unmarshal([]byte(out), &metadata); err != nil {
		return err
	}
	revision := metadata.Annotations[revisionAnnotation]
	if revision == "" {
		return fmt.Errorf("%s has no annotation %s in its Chart.yaml", chart, revisionAnnotation)
	}
	if err := os.RemoveAll(tree); err != nil {
		return err
	}
	if err := os.MkdirAll(tree, 0o755); err != nil {
		return err
	}
	archive := filepath.Join(tree, "source.tar")
	if err := run(ctx, in.Root, "git", "archive", "--output", archive, revision); err != nil {
		return fmt.Errorf("version %s is not in this clone's history; fetch it with git fetch --unshallow: %w", PreviousVersion, err)
	}
	err = run(ctx, tree, "tar", "-xf", filepath.Base(archive))
	return err
}
