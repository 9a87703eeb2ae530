package pageout

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMappingsThatCanHoldPagesAreRead(t *testing.T) {
	found, err := readMaps(strings.NewReader(`00400000-00452000 r-xp 00000000 08:02 173521      /usr/bin/dbus-daemon
00e03000-00e24000 rw-p 00000000 00:00 0           [heap]
35b1a21000-35b1a22000 rw-p 00000000 00:00 0
7f0000000000-7f0000001000 ---p 00000000 00:00 0
7f0000002000-7f0000003000 r--s 00000000 00:01 7   /memfd:a file with spaces (deleted)
7ffe7d1a0000-7ffe7d1a4000 r--p 00000000 00:00 0   [vvar]
7ffe7d1a4000-7ffe7d1a5000 r--p 00000000 00:00 0   [vvar_vclock]
7ffe7d1a6000-7ffe7d1a8000 r-xp 00000000 00:00 0   [vdso]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0   [vsyscall]
`))
	require.NoError(t, err)
	assert.Equal(t, []mapping{{0x400000, 0x452000}, {0xe03000, 0xe24000}, {0x35b1a21000, 0x35b1a22000}, {0x7f0000002000, 0x7f0000003000}}, found)
}

func TestThisProcessCanBeRead(t *testing.T) {
	f, err := os.Open("/proc/self/maps")
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	found, err := readMaps(f)
	require.NoError(t, err)
	assert.NotEmpty(t, found)
}

func TestWhatIsNoMappingIsRefused(t *testing.T) {
	for _, line := range []string{"x", "1-2 rw-p 0 0", "10-1 rw-p 0 0 0", "1- rw-p 0 0 0", "-1 rw-p 0 0 0", "10000000000000000-2 rw-p 0 0 0",
		strings.Repeat("a", maxLine+1)} {
		_, err := readMaps(strings.NewReader(line))
		assert.Error(t, err, "%.40q", line)
	}
}

func TestBatchesCoverEveryMappingOnceAndInBoundedPieces(t *testing.T) {
	mappings := []mapping{{0x1000, 0x2000}, {0x10000000, 0x10000000 + 2*adviceBytes}, {1 << 40, 1<<40 + 1<<34}}
	for i := range uint64(2 * adviceMappings) {
		mappings = append(mappings, mapping{i << 50, i<<50 + 1})
	}
	rest, covered := remaining(slices.Clone(mappings)), map[uint64]uint64{}
	for calls := 0; len(rest) > 0; calls++ {
		batch, size := rest.batch()
		require.NotEmpty(t, batch)
		require.LessOrEqual(t, size, uint64(adviceBytes))
		require.LessOrEqual(t, len(batch), adviceMappings)
		for _, piece := range batch {
			at := slices.IndexFunc(mappings, func(m mapping) bool { return m.start <= piece.Base && piece.Base+piece.Len <= m.end })
			require.GreaterOrEqual(t, at, 0, "%+v is of no mapping", piece)
			covered[mappings[at].start] += piece.Len
		}
		rest.drop(size)
	}
	for _, m := range mappings {
		require.Equal(t, m.end-m.start, covered[m.start], "%+v", m)
	}
}

func FuzzMaps(f *testing.F) {
	f.Add("00400000-00452000 r-xp 00000000 08:02 173521 /usr/bin/dbus-daemon\n")
	f.Add("ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]")
	f.Fuzz(func(t *testing.T, text string) {
		found, err := readMaps(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, m := range found {
			if m.end <= m.start {
				t.Errorf("%q gives %+v", text, m)
			}
		}
	})
}
