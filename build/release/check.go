package release

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/build/image"
	"github.com/org/vdi-operator/build/oci"
)

const (
	// chartFolder, below the repository's root, is the chart; dependency is the one it contains.
	chartFolder = "charts/vdi-operator"
	dependency  = chartFolder + "/charts/coturn"
	// changelog has a section for each version.
	changelog = "docs/changelog.md"
	// cosign signs.
	cosign = "cosign"
	// passwordVariable has the password of a key in a file. Without it cosign asks a terminal, once for
	// each of a release's signatures.
	passwordVariable = "COSIGN_PASSWORD"
)

// check refuses what is no release, naming all that is wrong, and returns the release's notes.
func check(ctx context.Context, o Options) (notes string, err error) {
	root := o.Builder.Root
	text, err := os.ReadFile(filepath.Join(root, changelog))
	if err != nil {
		return "", err
	}
	notes, noNotes := cutNotes(string(text), o.Builder.Version)
	if err := errors.Join(clean(ctx, root), versions(root, o.Builder.Version), noNotes, maySign(o.Key)); err != nil {
		return "", err
	}
	return notes, o.mayPush()
}

// maySign refuses a key that nothing can sign with.
func maySign(key string) error {
	if key == "" {
		return nil
	}
	if _, err := exec.LookPath(cosign); err != nil {
		return errors.New("COSIGN_KEY is set, but the program cosign, which signs, is not on the PATH: install it (https://docs.sigstore.dev/cosign/system_config/installation/), or leave COSIGN_KEY out")
	}
	// The others are keys of a device or a service, which has rights of its own.
	scheme, _, isURI := strings.Cut(key, ":")
	isFile := !isURI || slices.Contains([]string{"env", "http", "https"}, scheme)
	if _, given := os.LookupEnv(passwordVariable); !given && isFile {
		return fmt.Errorf("COSIGN_KEY is %s, and %s is not set: set it to the key's password, to nothing if it has none", key, passwordVariable)
	}
	return nil
}

// mayPush asks the registry before anything is built.
func (o Options) mayPush() error {
	if o.Registry == "" {
		return nil
	}
	to := oci.Registry{Insecure: o.Insecure}
	problems := []error{to.Check(image.Rehost(chartReference, o.Registry))}
	for _, recipe := range o.Recipes {
		spec, err := image.ReadSpec(recipe)
		if err != nil {
			return err
		}
		problems = append(problems, to.Check(image.Rehost(spec.Name, o.Registry)))
	}
	return errors.Join(problems...)
}

// clean refuses a tree that is not its commit.
func clean(ctx context.Context, root string) error {
	cmd := exec.CommandContext(ctx, "git", "status", "--porcelain")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("git status in %s: %w: a release is made from a clone", root, err)
	}
	if changed := strings.TrimRight(string(out), "\n"); changed != "" {
		return fmt.Errorf("the tree is dirty; commit or remove:\n%s", changed)
	}
	return nil
}

// versions refuses charts that are not of the tag's version.
func versions(root, tag string) error {
	want := strings.TrimPrefix(tag, "v")
	var problems []error
	for _, folder := range []string{chartFolder, dependency} {
		file := filepath.Join(folder, "Chart.yaml")
		raw, err := os.ReadFile(filepath.Join(root, file))
		if errors.Is(err, os.ErrNotExist) && folder == dependency {
			continue
		}
		if err != nil {
			return err
		}
		var chart struct{ Version, AppVersion string }
		if err := yaml.Unmarshal(raw, &chart); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		for field, value := range map[string]string{"version": chart.Version, "appVersion": chart.AppVersion} {
			if "v"+value != tag {
				problems = append(problems, fmt.Errorf("%s: %s is %s, and the tag is %s: tag the commit v%s, or set it to %s", file, field, value, tag, value, want))
			}
		}
	}
	return errors.Join(problems...)
}

// relativeLink is a link of a page to another, which notes elsewhere would not find.
var relativeLink = regexp.MustCompile(`\]\(([^):#]+\.md(?:#[^)]*)?)\)`)

// cutNotes returns a version's section of the changelog, without its heading.
func cutNotes(text, tag string) (string, error) {
	number := strings.TrimPrefix(tag, "v")
	_, section, found := strings.Cut("\n"+text, "\n## ["+number+"]")
	if !found {
		return "", fmt.Errorf("%s has no section %q", changelog, "## ["+number+"] - YYYY-MM-DD")
	}
	heading, section, _ := strings.Cut(section, "\n")
	if strings.Contains(heading, "Unreleased") {
		return "", fmt.Errorf("%s: the section of %s says Unreleased: write the day there", changelog, number)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	return relativeLink.ReplaceAllString(strings.TrimSpace(section), "]("+source(tag)+"/docs/$1)") + "\n", nil
}
