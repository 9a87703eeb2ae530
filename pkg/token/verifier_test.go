package token

import (
	"crypto/elliptic"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestKeysBesideTheCurrentOneAreTakenUntilTheirCertificatesEnd(t *testing.T) {
	current, verifier, certificate := pair(t)
	former, _, formers := pair(t) // good for an hour
	next, _, nexts := pair(t)
	stranger, _, _ := pair(t)
	before := verifier.Generation()
	changed, err := verifier.Use(certificate, nexts, formers)
	require.NoError(t, err)
	assert.True(t, changed)
	assert.NotEqual(t, before, verifier.Generation())
	changed, err = verifier.Use(certificate, append(nexts, formers...), nil)
	require.NoError(t, err)
	assert.False(t, changed, "the same ones")

	for name, c := range map[string]struct {
		by   *Signer
		at   time.Duration
		want error
	}{
		"the current key": {current, 0, nil}, "which its certificate's end does not end": {current, 2 * time.Hour, nil},
		"the former":    {former, 59 * time.Minute, nil},
		"after its end": {former, time.Hour, ErrMalformed},
		"the next":      {next, 0, nil},
		"any other":     {stranger, 0, ErrMalformed},
	} {
		got, err := verifier.Check(AudienceSession, sign(t, c.by, AudienceSession, 24*time.Hour), now.Add(c.at))
		require.ErrorIs(t, err, c.want, name)
		assert.Equal(t, c.want == nil, verifier.Takes(c.by.Verifier().Key(), now.Add(c.at)), name)
		if err == nil {
			assert.Equal(t, c.by.Verifier().Key(), got.Key, name)
		}
	}
}

// A token of an earlier release names no key.
func TestATokenThatNamesNoKeyIsTriedWithEach(t *testing.T) {
	_, verifier, certificate := pair(t)
	former, _, formers := pair(t)
	_, err := verifier.Use(certificate, formers)
	require.NoError(t, err)
	named := sign(t, former, AudienceSession, time.Hour)
	unnamed := unnamedTwin(t, former, named)
	for want, raw := range map[error]string{nil: unnamed, ErrMalformed: unnamed[:len(unnamed)-4] + "AAAA"} {
		_, _, err := verifier.Verify(AudienceSession, raw, now)
		assert.ErrorIs(t, err, want)
	}
	_, _, err = verifier.Verify(AudienceSession, sign(t, former, AudienceSession, time.Nanosecond), now.Add(time.Minute))
	assert.ErrorIs(t, err, ErrExpired, "what is wrong with it is said whichever key it has")
}

func TestCertificatesBesideThatCannotBeUsedAreExplained(t *testing.T) {
	_, verifier, certificate := pair(t)
	_, p384 := keys(t, elliptic.P384())
	private, _ := keys(t, elliptic.P256())
	before := verifier.Generation()
	for beside, want := range map[string]string{
		"x": "not PEM", string(certificate) + "x": "not PEM", string(private): "not a certificate", string(p384): "384 bits",
		strings.Repeat(string(certificate), MostBeside+1): "at most 56",
	} {
		_, err := verifier.Use(certificate, []byte(beside))
		require.ErrorContains(t, err, want)
	}
	assert.Equal(t, before, verifier.Generation(), "all before stays")
}
