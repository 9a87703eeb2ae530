package image

import (
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/registry"
)

func TestAPushedImageKeepsItsPathTagAndIdentity(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")

	file := archive(t, checkout(t))
	local, err := ReadArchive(file)
	if err != nil {
		t.Fatal(err)
	}
	pushed, err := Push(t.Context(), file, host, true)
	if err != nil {
		t.Fatal(err)
	}
	if len(pushed) != 1 || pushed[0] != host+"/x:dev" {
		t.Fatalf("pushed %v", pushed)
	}
	img, err := crane.Pull(pushed[0], crane.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if id, err := img.ConfigName(); err != nil || id.String() != local[0].ConfigDigest {
		t.Errorf("the registry has %s, %v, and the archive %s", id, err, local[0].ConfigDigest)
	}
}
