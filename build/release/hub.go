package release

import (
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/build/image"
)

// Annotations that Artifact Hub reads of a chart: https://artifacthub.io/docs/topics/annotations/helm/.
// These say what a release's own files say, so they are written when one is made; those that
// change by hand are in Chart.yaml.
const (
	hubChanges = "artifacthub.io/changes"
	hubImages  = "artifacthub.io/images"
	hubSignKey = "artifacthub.io/signKey"
)

// hubKey is the key that a release is signed with: the SHA-256 of its public half in DER, and where
// that is.
type hubKey struct {
	Fingerprint string `json:"fingerprint"`
	URL         string `json:"url"`
}

// hubChange is one line of the changelog.
type hubChange struct {
	Kind        string `json:"kind"`
	Description string `json:"description"`
}

// hubImage is one of the images that the chart asks for.
type hubImage struct {
	Name      string   `json:"name"`
	Image     string   `json:"image"`
	Platforms []string `json:"platforms,omitempty"`
}

var (
	// hubKinds are the sections of a changelog that Artifact Hub knows; it takes others for changes.
	hubKinds = map[string]string{"Added": "added", "Changed": "changed", "Deprecated": "deprecated", "Removed": "removed",
		"Fixed": "fixed", "Security": "security"}
	// link is a link in Markdown, of which Artifact Hub would show the address too.
	link = regexp.MustCompile(`\[([^\]]+)\]\([^)]*\)`)
)

// hub returns a Chart.yaml with what Artifact Hub shows of this release.
func (m *maker) hub(chart string) (string, error) {
	images, err := m.hubImages()
	if err != nil {
		return "", err
	}
	type told struct {
		key string
		of  any
	}
	all := []told{{hubImages, images}, {hubChanges, changes(m.notes)}}
	if m.signedBy != nil {
		all = append(all, told{hubSignKey, m.signedBy})
	}
	for _, a := range all {
		text, err := yaml.Marshal(a.of)
		if err != nil {
			return "", err
		}
		chart = annotate(chart, a.key, block(string(text)))
	}
	return chart, nil
}

// block is a text of several lines as the value of an annotation.
func block(text string) string {
	return "|\n    " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    ")
}

func (m *maker) hubImages() (images []hubImage, err error) {
	for _, recipe := range m.Recipes {
		spec, err := image.ReadSpec(recipe)
		if err != nil {
			return nil, err
		}
		images = append(images, hubImage{spec.Name[strings.LastIndex(spec.Name, "/")+1:], spec.Name + ":" + m.number, m.Platforms})
	}
	return images, nil
}

// changes are the items of a version's section of the changelog.
func changes(notes string) (all []hubChange) {
	kind := "changed"
	for _, line := range strings.Split(link.ReplaceAllString(notes, "$1"), "\n") {
		heading, isHeading := strings.CutPrefix(line, "### ")
		item, isItem := strings.CutPrefix(line, "- ")
		switch {
		case isHeading && hubKinds[heading] != "":
			kind = hubKinds[heading]
		case isHeading:
			kind = "changed"
		case isItem:
			all = append(all, hubChange{kind, item})
		case strings.HasPrefix(line, "  ") && len(all) > 0:
			all[len(all)-1].Description += " " + strings.TrimSpace(line)
		}
	}
	return all
}
