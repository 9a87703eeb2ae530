package pressure

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/nodeapi"
)

const (
	psi = "some avg10=21.43 avg60=9.10 avg300=1.00 total=123456\nfull avg10=3.00 avg60=1.00 avg300=0.00 total=1234\n"
	mem = "MemTotal:       16000000 kB\nMemFree:          100000 kB\nMemAvailable:    2000000 kB\nHugePages_Total:       0\n"
)

// proc is a folder with these files; an empty one is not there.
func proc(t *testing.T, psi, meminfo string) string {
	t.Helper()
	root := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, "pressure"), 0o755))
	for name, text := range map[string]string{"pressure/memory": psi, "meminfo": meminfo} {
		if text != "" {
			require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(text), 0o600))
		}
	}
	return root
}

func TestANodeSaysWhoWaitsForMemoryAndHowMuchIsLeft(t *testing.T) {
	got, err := Read(proc(t, psi, mem))
	require.NoError(t, err)
	assert.Equal(t, nodeapi.Pressure{Stalled: 21.43, Available: 12.5}, got)
}

func TestAKernelThatDoesNotCountIsToldApart(t *testing.T) {
	_, err := Read(proc(t, "", mem))
	require.ErrorIs(t, err, ErrUnknown)
	_, err = Read(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, ErrUnknown)
}

func TestRubbishIsNoPressure(t *testing.T) {
	for name, files := range map[string][2]string{
		"no line":             {"full avg10=3.00 avg60=1.00\n", mem},
		"a line without more": {"some\n", mem},
		"no average":          {"some avg60=1.00\n", mem},
		"no number":           {"some avg10=much\n", mem},
		"not a number":        {"some avg10=NaN\n", mem},
		"below nothing":       {"some avg10=-1\n", mem},
		"above everything":    {"some avg10=100.01\n", mem},
		"binary":              {"\x00\xff", mem},
		"no memory file":      {psi, ""},
		"no total":            {psi, "MemAvailable: 2 kB\n"},
		"none at all":         {psi, "MemTotal: 0 kB\nMemAvailable: 0 kB\n"},
		"nothing available":   {psi, "MemTotal: 2 kB\n"},
		"more than all":       {psi, "MemTotal: 2 kB\nMemAvailable: 3 kB\n"},
		"words":               {psi, "MemTotal: two kB\nMemAvailable: 3 kB\n"},
	} {
		_, err := Read(proc(t, files[0], files[1]))
		require.Error(t, err, name)
		assert.NotErrorIs(t, err, ErrUnknown, name)
	}
}
