package provenance

import (
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var build = Build{
	Source: "https://example.invalid/x", Revision: "0123456789abcdef0123456789abcdef01234567", Version: "v0.3.0", Recipe: "build/x.yaml",
	Platforms: []string{"linux/amd64"}, Go: "go1.26.8", Builder: "https://example.invalid/builder",
}

func TestAStatementSaysWhatWasMadeOfWhichSourcesByWhom(t *testing.T) {
	statement, predicate, err := build.Statement("ghcr.io/org/x", v1.Hash{Algorithm: "sha256", Hex: "ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12"})
	require.NoError(t, err)
	said := `{
		"buildDefinition": {
			"buildType": "` + buildType + `",
			"externalParameters": {"source": "git+https://example.invalid/x@refs/tags/v0.3.0", "recipe": "build/x.yaml", "platforms": ["linux/amd64"]},
			"resolvedDependencies": [
				{"uri": "git+https://example.invalid/x@refs/tags/v0.3.0", "digest": {"gitCommit": "0123456789abcdef0123456789abcdef01234567"}},
				{"name": "go", "uri": "pkg:golang/toolchain@go1.26.8"}
			]
		},
		"runDetails": {"builder": {"id": "https://example.invalid/builder"}}
	}`
	assert.JSONEq(t, said, string(predicate))
	assert.JSONEq(t, `{"_type": "https://in-toto.io/Statement/v1", "predicateType": "https://slsa.dev/provenance/v1",
		"subject": [{"name": "ghcr.io/org/x", "digest": {"sha256": "ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12"}}], "predicate": `+said+`}`, string(statement))
}

func TestAStatementIsTheSameBytesEachTime(t *testing.T) {
	digest := v1.Hash{Algorithm: "sha256", Hex: "ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12"}
	first, _, err := build.Statement("x", digest)
	require.NoError(t, err)
	for range 20 { // protojson's spaces depend on the program, and maps' order on chance
		again, _, err := build.Statement("x", digest)
		require.NoError(t, err)
		require.Equal(t, string(first), string(again))
	}
}

func TestAStatementThatNamesNobodyIsRefused(t *testing.T) {
	nobody := build
	nobody.Builder = ""
	_, _, err := nobody.Statement("x", v1.Hash{Algorithm: "sha256", Hex: "ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12"})
	assert.ErrorContains(t, err, "builder")
}
