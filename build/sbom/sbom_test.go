package sbom

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/build/cache"
	"github.com/org/vdi-operator/build/image"
)

const status = `Package: coturn
Status: install ok installed
Architecture: amd64
Source: coturn-source (4.6)
Version: 1:4.6.1-1+b1
Description: TURN
 Package: not this

Package: tzdata
Architecture: all
Version: 2026f
`

// documentOf makes that of an image with one Go program and Debian's packages.
func documentOf(t *testing.T) []byte {
	t.Helper()
	root := t.TempDir()
	for file, text := range map[string]string{
		"go.mod":      "module example.invalid/x\n\ngo 1.26\n",
		"cmd/main.go": "package main\n\nfunc main() {}\n",
		"status":      status,
		"run.sh":      "#!/bin/sh\n",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(root, file)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(root, file), []byte(text), 0o755))
	}
	b := image.Builder{Root: root, Cache: cache.Dir(t.TempDir()), Log: os.Stderr}
	img, err := b.Build(t.Context(), image.Spec{
		Name:  "ghcr.io/org/x",
		Go:    []image.Program{{Module: ".", Package: "./cmd", Path: "/usr/bin/x"}},
		Files: []image.File{{From: "status", Path: "/" + dpkgStatus}, {From: "run.sh", Path: "/run.sh"}},
	})
	require.NoError(t, err)
	raw, err := Of(img, About{Name: "ghcr.io/org/x", Version: "v0.3.0", Created: time.Unix(1700000000, 0)})
	require.NoError(t, err)
	return raw
}

func TestAnImagesDocumentNamesItsModulesAndPackagesByTheirURLs(t *testing.T) {
	var found struct {
		SPDXVersion string
		Packages    []struct {
			Name, VersionInfo, SPDXID string
			ExternalRefs              []struct{ ReferenceLocator string }
		}
		Relationships []struct{ SPDXElementID, RelationshipType, RelatedSPDXElement string }
	}
	require.NoError(t, json.Unmarshal(documentOf(t), &found))
	assert.Equal(t, "SPDX-2.3", found.SPDXVersion)
	urls := map[string]string{}
	for _, p := range found.Packages {
		urls[p.ExternalRefs[0].ReferenceLocator] = p.SPDXID
	}
	library := "pkg:golang/stdlib@" + strings.TrimPrefix(runtime.Version(), "go")
	for _, want := range []string{
		"pkg:deb/debian/coturn@1%3A4.6.1-1%2Bb1?arch=amd64&upstream=coturn-source", "pkg:deb/debian/tzdata@2026f?arch=all",
		"pkg:golang/example.invalid/x@v0.3.0", library,
	} {
		require.Contains(t, urls, want)
	}
	assert.Len(t, urls, 5, "the image itself, and nothing else")
	var contained []string
	for _, r := range found.Relationships {
		if r.RelationshipType == "CONTAINS" && r.SPDXElementID == urls["pkg:golang/example.invalid/x@v0.3.0"] {
			contained = append(contained, r.RelatedSPDXElement)
		}
	}
	assert.Equal(t, []string{urls[library]}, contained, "what the program is made of")
}

func TestEqualImagesHaveEqualDocuments(t *testing.T) {
	assert.Equal(t, string(documentOf(t)), string(documentOf(t)))
}
