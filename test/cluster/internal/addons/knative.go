package addons

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/org/vdi-operator/build/cache"
	"github.com/org/vdi-operator/test/cluster/internal/build"
	"github.com/org/vdi-operator/test/cluster/internal/versions"
)

// KnativeNamespace is where Knative Serving lives.
const KnativeNamespace = "knative-serving"

// knativeCPU is what each Knative component asks for. Their own requests (600m together)
// would leave a two-core node too little for desktops; their limits stay as published.
const knativeCPU = "30m"

// borrowed are the files that Knative's repository links to in its siblings. Published
// modules hold no links, so the files are taken from where they point.
var borrowed = map[string]choice{
	"knative.dev/caching":    these("config/image.yaml"),
	"knative.dev/networking": these("config/certificate.yaml", "config/domain-claim.yaml", "config/ingress.yaml", "config/serverlessservice.yaml", "config/config-network.yaml"),
}

// unwanted are published files that are not applied: autoscaling of Knative's own parts needs the
// metrics API, and the certificate is for encryption between them, which is off.
func unwanted(file string) bool {
	return strings.HasSuffix(file, "-hpa.yaml") || filepath.Base(file) == "300-knativecertificate.yaml"
}

// KnativeSources returns Knative's published manifests as one file in the cache.
func KnativeSources(ctx context.Context, b build.Builder) (string, error) {
	return gathered(ctx, b, build.Knative(), "knative", folder(filepath.Join("config", "core")), borrowed)
}

func publish(c cache.Dir, final string, content []byte) error {
	scratch, cleanup, err := c.Scratch("manifest")
	if err != nil {
		return err
	}
	defer cleanup()
	half := filepath.Join(scratch, "manifest.yaml")
	if err := os.WriteFile(half, content, 0o644); err != nil {
		return err
	}
	return cache.Publish(half, final)
}

func yamlFiles(dir string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(name, ".yaml") && !unwanted(name) {
			files = append(files, name)
		}
		return err
	})
	slices.Sort(files)
	return files, err
}

// Knative adapts the published manifests. The first result holds the resource definitions,
// which must be established before the second can be applied.
//
// images maps a command's name, such as "controller", to its image.
func Knative(published []byte, images map[string]string) (definitions, rest []byte, err error) {
	objects, err := parse(published)
	if err != nil {
		return nil, nil, err
	}
	pairs := []string{}
	for name, image := range images {
		pairs = append(pairs, "ko://knative.dev/serving/cmd/"+name, image)
	}
	replacer := strings.NewReplacer(pairs...)
	var first, second []object
	for _, o := range objects {
		replaceAll(o, replacer)
		setVersion(o, versions.Knative)
		if o.isWorkload() {
			fit(o)
		}
		switch o.kind() {
		case "CustomResourceDefinition":
			first = append(first, o)
		case "Namespace":
			second = slices.Insert(second, 0, o)
		default:
			second = append(second, o)
		}
	}
	if definitions, err = render(first); err != nil {
		return nil, nil, err
	}
	rest, err = render(second)
	return definitions, rest, err
}

// setVersion fills in the version where the release process would: instead of "devel".
func setVersion(o object, version string) {
	const label = "app.kubernetes.io/version"
	places := []map[string]any{child(o, "metadata")}
	if o.isWorkload() {
		places = append(places, child(o, "spec", "template", "metadata"))
	}
	for _, place := range places {
		if labels, ok := place["labels"].(map[string]any); ok && labels[label] == "devel" {
			labels[label] = strings.TrimPrefix(version, "v")
		}
	}
}

// fit makes a workload modest: one replica that asks for little.
func fit(o object) {
	if o.kind() == "Deployment" {
		child(o, "spec")["replicas"] = 1
	}
	for _, c := range o.containers() {
		child(c, "resources", "requests")["cpu"] = knativeCPU
		c["imagePullPolicy"] = "IfNotPresent"
	}
}
