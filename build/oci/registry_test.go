package oci

import (
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestARegistryThatDoesNotLetYouPushIsNamedWithTheRemedy(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer server.Close()
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	host := strings.TrimPrefix(server.URL, "http://")
	remedy := "the registry does not let you push: run docker login " + host
	assert.ErrorContains(t, Registry{}.Check(host+"/x"), remedy)
	assert.ErrorContains(t, Registry{}.Push(t.Context(), host+"/x:1", empty.Image), remedy)
}

func TestARegistryWithoutTLSIsNamedWithTheRemedy(t *testing.T) {
	err := Registry{}.explain(errors.New("Get https://r/v2/: http: server gave HTTP response to HTTPS client"), "r/x:1")
	assert.ErrorContains(t, err, "INSECURE=true (--insecure)")
}

func TestALayoutIsPushedWithWhatRefersToItsImage(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	img, err := random.Image(64, 1)
	require.NoError(t, err)
	layout, err := Create(t.TempDir(), "ghcr.io/org/x", "0.3.0", img)
	require.NoError(t, err)
	d, err := Describe(img)
	require.NoError(t, err)
	require.NoError(t, layout.Attach(d, "application/spdx+json", []byte("{}"), map[string]string{"k": "v"}))

	reference, err := Registry{}.PushLayout(t.Context(), layout, func(name string) string { return strings.Replace(name, "ghcr.io", host, 1) })
	require.NoError(t, err)
	assert.Equal(t, host+"/org/x:0.3.0@"+d.Digest.String(), reference)
	ref, err := name.NewDigest(host + "/org/x@" + d.Digest.String())
	require.NoError(t, err)
	index, err := remote.Referrers(ref)
	require.NoError(t, err)
	manifest, err := index.IndexManifest()
	require.NoError(t, err)
	require.Len(t, manifest.Manifests, 1)
	assert.Equal(t, "application/spdx+json", manifest.Manifests[0].ArtifactType)
	attached, err := remote.Image(ref.Context().Digest(manifest.Manifests[0].Digest.String()))
	require.NoError(t, err)
	document, err := attached.Manifest()
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"k": "v"}, document.Layers[0].Annotations)
}
