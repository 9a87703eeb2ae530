package docs

import (
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const root = "../.."

func pages(t *testing.T) map[string]*Page {
	t.Helper()
	all, err := Pages(root)
	require.NoError(t, err)
	byPath := map[string]*Page{}
	for _, p := range all {
		byPath[p.Path] = p
	}
	return byPath
}

// Links to other sites are not followed: the tests need no network.
func TestEveryLinkLeadsToAFileAndAHeadingThatAreThere(t *testing.T) {
	all := pages(t)
	for _, page := range all {
		for _, link := range page.Links() {
			u, err := url.Parse(link)
			if err != nil {
				t.Errorf("%s: %q: %v", page.Path, link, err)
				continue
			}
			if u.IsAbs() {
				continue
			}
			target := page.Path
			if u.Path != "" {
				target = filepath.Join(filepath.Dir(page.Path), u.Path)
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s: %q leads to %s, which is not there", page.Path, link, target)
				continue
			}
			if u.Fragment == "" {
				continue
			}
			to, is := all[target]
			require.True(t, is, page.Path)
			assert.True(t, to.Anchors()[u.Fragment], "%s: %q: %s has no heading of that name", page.Path, link, target)
		}
	}
}

func TestAnchorsAreGitHubs(t *testing.T) {
	for heading, want := range map[string]string{
		"How a WebSocket ends":                  "how-a-websocket-ends",
		"`spec.timeout`, and maxDuration":       "spectimeout-and-maxduration",
		"No picture: what to look at (by step)": "no-picture-what-to-look-at-by-step",
		"GPU time-slicing & MIG":                "gpu-time-slicing--mig",
	} {
		p := &Page{source: []byte(heading)}
		assert.Equal(t, want, slug(string(p.source)), "%q", heading)
	}
}

func TestEveryPageIsLinkedFromSomewhere(t *testing.T) {
	all := pages(t)
	linked := map[string]bool{"README.md": true}
	for _, page := range all {
		for _, link := range page.Links() {
			if u, err := url.Parse(link); err == nil && !u.IsAbs() && u.Path != "" {
				target := filepath.Join(filepath.Dir(page.Path), u.Path)
				linked[target] = true
				// A link to a folder shows what is in it.
				if info, err := os.Stat(filepath.Join(root, target)); err == nil && info.IsDir() {
					for path := range all {
						if filepath.Dir(path) == target {
							linked[path] = true
						}
					}
				}
			}
		}
	}
	for path := range all {
		assert.False(t, filepath.Dir(path) == "docs" && !linked[path], "no page links to %s", path)
	}
}
