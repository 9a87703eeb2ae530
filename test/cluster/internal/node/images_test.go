package node

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/org/vdi-operator/build/image"
)

func TestAnImageIsLoadedAgainOnlyWhenItsContentsChanged(t *testing.T) {
	have := parseImages(`REF                TYPE    DIGEST             SIZE    PLATFORMS   LABELS
dev.local/x:dev    application/vnd.docker.distribution.manifest.v2+json sha256:m1 1.0 MiB linux/amd64 io.cri-containerd.image=managed
sha256:c1          application/vnd.docker.distribution.manifest.v2+json sha256:m1 1.0 MiB linux/amd64 io.cri-containerd.image=managed
sha256:c2          application/vnd.docker.distribution.manifest.v2+json sha256:m2 1.0 MiB linux/amd64 io.cri-containerd.image=managed
`)
	for name, c := range map[string]struct {
		image image.Archived
		want  bool
	}{
		"the same":               {image.Archived{Reference: "dev.local/x:dev", ConfigDigest: "sha256:c1"}, true},
		"changed":                {image.Archived{Reference: "dev.local/x:dev", ConfigDigest: "sha256:c3"}, false},
		"known under other name": {image.Archived{Reference: "dev.local/x:dev", ConfigDigest: "sha256:c2"}, false},
		"unknown name":           {image.Archived{Reference: "dev.local/y:dev", ConfigDigest: "sha256:c1"}, false},
	} {
		assert.Equal(t, c.want, have.holds(c.image), name)
	}
}
