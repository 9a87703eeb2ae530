package token

import (
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"k8s.io/apimachinery/pkg/types"
)

// Pod names one pod: a token for it is its session's once it has one.
type Pod struct {
	Name types.NamespacedName
	UID  types.UID
}

type podClaims struct {
	jwt.RegisteredClaims
	PodUID types.UID `json:"vdi_pod_uid"`
}

// SignPod issues a token for a pod that waits in a warm pool, which expires ttl after now. It is
// of no use as a session's: Verify refuses it.
func (s *Signer) SignPod(aud Audience, pod Pod, now time.Time, ttl time.Duration) (string, error) {
	if pod.Name.Namespace == "" || pod.Name.Name == "" || pod.UID == "" {
		return "", fmt.Errorf("cannot sign a token for pod %q with UID %q: namespace, name and UID are required", pod.Name, pod.UID)
	}
	if ttl <= 0 {
		return "", fmt.Errorf("token lifetime %s: must be above zero", ttl)
	}
	return s.sign(podClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    Issuer,
			Subject:   pod.Name.String(),
			Audience:  jwt.ClaimStrings{string(aud)},
			IssuedAt:  jwt.NewNumericDate(now.Add(-leeway)),
			ExpiresAt: jwt.NewNumericDate(now.Add(ttl)),
		},
		PodUID: pod.UID,
	})
}

// VerifyPod checks a token as Verify checks a session's, and returns the pod that it is for.
func (v *Verifier) VerifyPod(aud Audience, raw string, now time.Time) (Pod, error) {
	var c podClaims
	if _, err := v.parse(aud, raw, now, &c); err != nil {
		return Pod{}, err
	}
	name, ok := parseName(c.Subject)
	if !ok || c.PodUID == "" {
		return Pod{}, ErrMalformed
	}
	return Pod{Name: name, UID: c.PodUID}, nil
}
