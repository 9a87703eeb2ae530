package release

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestChecksumsAreOfAllThatIsNotNamedByItsDigest(t *testing.T) {
	m := &maker{dir: t.TempDir()}
	write(t, m.dir, map[string]string{"images.txt": "a\n", "plugins/vdi.yaml": "b\n", "images/operator/index.json": "{}\n"})
	require.NoError(t, m.checksums(t.Context()))
	list, err := os.ReadFile(filepath.Join(m.dir, checksumFile))
	require.NoError(t, err)
	assert.Equal(t, "87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7  images.txt\n"+
		"0263829989b6fd954f72baaf2fc64bc2e2f01d692d4de72986ea808f6e99813f  plugins/vdi.yaml\n", string(list))
}
