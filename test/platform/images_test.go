package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAnImageIsFoundByItsNameWhereverItComesFrom(t *testing.T) {
	references := []string{"localhost:5000/org/vdi-operator:abc", "localhost:5000/vdi-desktop:abc-1f"}
	got := byName(references, "vdi-desktop")
	require.Equal(t, references[1], got, "vdi-desktop")
	repository, tag := split(got)
	require.Equal(t, "localhost:5000/vdi-desktop", repository)
	assert.Equal(t, "abc-1f", tag, "parted into")
	assert.Empty(t, byName(references, "operator"), "half a name finds")
}

func TestImagesForAClusterOfYoursArePushedAsItsMakerSays(t *testing.T) {
	p := platform{registry: "localhost:5000/vdi"}
	assert.Equal(t, []string{"push", "--tag", "abc", "--registry", "localhost:5000/vdi"}, p.push("abc"))
	p.insecure, p.platforms = true, "linux/arm64"
	assert.Equal(t, []string{"push", "--tag", "abc", "--registry", "localhost:5000/vdi", "--insecure", "--platform", "linux/arm64"}, p.push("abc"))
}
