package token_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/token"
	"github.com/org/vdi-operator/pkg/token/tokentest"
)

func TestATokensTwinSaysTheSameAndHasNoOther(t *testing.T) {
	now := time.Now()
	subject := token.Subject{User: "ada@example.com", Session: types.NamespacedName{Namespace: "team", Name: "ada"}, UID: "1-2-3"}
	signer := tokentest.Signer(t)
	raw, err := signer.Sign(token.AudienceSession, subject, now, time.Hour)
	require.NoError(t, err)
	twin := tokentest.Twin(t, raw)
	require.NotEqual(t, raw, twin)
	assert.Equal(t, raw, tokentest.Twin(t, twin), "there are more than two")
	for name, one := range map[string]string{"signed": raw, "twin": twin} {
		got, _, err := signer.Verifier().Verify(token.AudienceSession, one, now)
		require.NoError(t, err, "the %s one: half of the links that are out would be refused", name)
		assert.Equal(t, subject, got, name)
		_, _, err = signer.Verifier().Verify(token.AudienceSession, one, now.Add(2*time.Hour))
		assert.ErrorIs(t, err, token.ErrExpired, name)
	}
}
