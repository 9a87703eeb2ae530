package token

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
)

func TestAPodsTokenIsForThatPodAndUseAlone(t *testing.T) {
	signer, _, _ := pair(t)
	now := time.Now()
	pod := Pod{Name: types.NamespacedName{Namespace: "team", Name: "vdi-pool-1"}, UID: "4-5-6"}
	raw, err := signer.SignPod(AudienceAgent, pod, now, time.Hour)
	require.NoError(t, err)
	got, err := signer.Verifier().VerifyPod(AudienceAgent, raw, now)
	require.NoError(t, err)
	assert.Equal(t, pod, got)

	_, err = signer.Verifier().VerifyPod(AudienceTURN, raw, now)
	require.ErrorIs(t, err, ErrMalformed, "of another use")
	_, _, err = signer.Verifier().Verify(AudienceAgent, raw, now)
	require.ErrorIs(t, err, ErrMalformed, "as a session's")
	_, err = signer.Verifier().VerifyPod(AudienceAgent, raw, now.Add(2*time.Hour))
	require.ErrorIs(t, err, ErrExpired)

	of, err := signer.Sign(AudienceAgent, Subject{User: "ada", Session: pod.Name, UID: "1-2-3"}, now, time.Hour)
	require.NoError(t, err)
	_, err = signer.Verifier().VerifyPod(AudienceAgent, of, now)
	require.ErrorIs(t, err, ErrMalformed, "a session's as a pod's")
	_, err = signer.SignPod(AudienceAgent, Pod{Name: pod.Name}, now, time.Hour)
	require.Error(t, err, "without a UID")
}
