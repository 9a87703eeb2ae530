package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAMissingInputIsNamedWithItsFlag(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	good := write("config.yaml", "url: {domain: vdi.example.com}\n")
	for name, tc := range map[string]struct {
		flags flags
		says  []string
	}{
		"no configuration":   {flags{config: filepath.Join(dir, "none")}, []string{"configuration", "none"}},
		"a bad one":          {flags{config: write("bad.yaml", "url: {domain: a}\ntrustedProxies: [here]\n")}, []string{"trustedProxies", "here"}},
		"no certificate":     {flags{config: good, verificationCert: filepath.Join(dir, "none.crt")}, []string{"--verification-cert", "none.crt"}},
		"an empty one":       {flags{config: good, verificationCert: write("empty", "")}, []string{"--verification-cert", "is empty"}},
		"one that is no PEM": {flags{config: good, verificationCert: write("text", "text")}, []string{"certificate"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readInputs(tc.flags, slog.New(slog.DiscardHandler))
			require.Error(t, err, "was taken")
			for _, part := range tc.says {
				assert.Contains(t, err.Error(), part, "want %q in: %v", part, err)
			}
		})
	}
}
