// Package signin says what portal, activator and operator agree on about people who have signed in.
package signin

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"strings"
	"time"

	"github.com/org/vdi-operator/pkg/access"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// ProviderPath is where the portal says, inside the cluster, whether people can sign in: 200, or
// 503 with a sentence that names what is wrong.
const ProviderPath = "/provider"

// NamePrefix begins the name of each VDISignIn.
const NamePrefix = "signin-"

// Name is the name of the VDISignIn of the secret in a person's cookie at the portal.
func Name(secret string) string {
	sum := sha256.Sum256([]byte("vdi sign-in " + secret))
	return NamePrefix + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:]))[:32]
}

// Hash is how a secret is kept that somebody shows once: in hexadecimal.
func Hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// Holds says that a sign-in has not ended.
func Holds(s *v1alpha1.VDISignIn, now time.Time) bool {
	return s != nil && s.DeletionTimestamp == nil && now.Before(s.Spec.ExpiresAt.Time) &&
		s.Status.ValidUntil != nil && now.Before(s.Status.ValidUntil.Time)
}

// Person is who it is of.
func Person(s *v1alpha1.VDISignIn) access.Person {
	return access.Person{User: s.Spec.User, Admin: s.Spec.Admin}
}
