package keyset

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAKeyIsReplacedAndTheFormerOneKept(t *testing.T) {
	first := New()
	second := first.Announce().Turn()
	third := second.Announce().Turn()
	assert.Equal(t, first[0], second[1])
	assert.Equal(t, Set{third[0], second[0]}, third)
	for _, s := range []Set{first, second, third} {
		read, err := Parse(s.Bytes())
		require.NoError(t, err)
		assert.Equal(t, s, read)
	}
}

func TestWhatIsNoKeyIsRefusedByItsLine(t *testing.T) {
	good := string(New().Bytes())
	for raw, want := range map[string]string{
		"":                 "line 1",
		"c2hvcnQ=":         "line 1",
		good + "rubbish":   "line 2",
		good + good + good: "3 keys",
	} {
		_, err := Parse([]byte(raw))
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "rubbish", "a key reaches no log")
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{string(New().Bytes()), string(New().Announce().Bytes()), "", "\n", "c2hvcnQ=\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		set, err := Parse([]byte(raw))
		if err != nil {
			return
		}
		again, err := Parse(set.Bytes())
		require.NoError(t, err)
		assert.Equal(t, set, again)
	})
}
