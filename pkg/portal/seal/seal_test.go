package seal

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/keyset"
)

func TestWhatIsSealedOpensForTheSameThingOnly(t *testing.T) {
	b, err := New(keyset.New())
	require.NoError(t, err)
	sealed := b.Seal([]byte("token"), "signin-a")
	assert.NotContains(t, string(sealed), "token")
	assert.NotEqual(t, sealed, b.Seal([]byte("token"), "signin-a"), "two seals of one thing tell nobody that they are the same")
	plain, err := b.Open(sealed, "signin-a")
	require.NoError(t, err)
	assert.Equal(t, "token", string(plain))
	_, err = b.Open(sealed, "signin-b")
	require.ErrorIs(t, err, ErrSealed, "moved to another object")
	sealed[len(sealed)-1]++
	_, err = b.Open(sealed, "signin-a")
	require.ErrorIs(t, err, ErrSealed, "changed")
	_, err = b.Open(nil, "signin-a")
	require.ErrorIs(t, err, ErrSealed, "empty")
}

func TestTheKeyBeforeStillOpensAndTheOneBeforeThatDoesNot(t *testing.T) {
	set := keyset.New()
	b, err := New(set)
	require.NoError(t, err)
	sealed, signed := b.Seal([]byte("token"), "a"), b.Sign("a")
	for i, opens := range []bool{true, false} {
		set = set.Announce().Turn()
		require.NoError(t, b.Use(set))
		_, err = b.Open(sealed, "a")
		assert.Equal(t, opens, err == nil, "sealed, after %d rotations", i+1)
		assert.Equal(t, opens, b.Signed(signed, "a"), "signed, after %d rotations", i+1)
	}
	require.Error(t, b.Use(nil))
	assert.False(t, b.Signed("?", "a"))
	assert.False(t, b.Signed(b.Sign("b"), "a"))
}

func FuzzOpen(f *testing.F) {
	b, err := New(keyset.New())
	require.NoError(f, err)
	good := b.Seal([]byte("token"), "a")
	for _, seed := range [][]byte{good, good[:8], nil, append([]byte{0}, good...)} {
		f.Add(seed, b.Sign("a"), "a")
	}
	f.Fuzz(func(t *testing.T, sealed []byte, signed, of string) {
		if plain, err := b.Open(sealed, of); err == nil {
			assert.Equal(t, []any{"token", "a"}, []any{string(plain), of})
		}
		assert.False(t, b.Signed(signed, of) && b.Signed(signed, of+"x"), "one text is of two things")
	})
}
