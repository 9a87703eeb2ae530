package image

import (
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAPushedImageKeepsItsPathTagAndIdentity(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")

	file := archive(t, checkout(t))
	local, err := ReadArchive(file)
	require.NoError(t, err)
	pushed, err := Push(t.Context(), file, host, true)
	require.NoError(t, err)
	require.Len(t, pushed, 1)
	require.Equal(t, host+"/x:dev", pushed[0], "pushed")
	img, err := crane.Pull(pushed[0], crane.Insecure)
	require.NoError(t, err)
	id, err := img.ConfigName()
	require.NoError(t, err)
	assert.Equal(t, local[0].ConfigDigest, id.String(), "the registry has %s, and the archive", id)
}
