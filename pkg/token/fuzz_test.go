package token

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Nothing but what was signed is taken, and for what it was signed.
func FuzzTokens(f *testing.F) {
	signer, verifier, _ := pair(f)
	ordered, err := signer.SignOrder(order, time.Hour)
	require.NoError(f, err)
	good := sign(f, signer, AudienceSession, time.Hour)
	for _, seed := range []string{good, ordered, "", ".", "..", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", good + ".", ordered + good} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if got, _, err := verifier.Verify(AudienceSession, raw, now); err == nil {
			assert.Equal(t, subject, got, raw)
		}
		if got, err := verifier.VerifyOrder(raw, now); err == nil {
			assert.Equal(t, order.PodUID, got.PodUID, raw)
		}
	})
}
