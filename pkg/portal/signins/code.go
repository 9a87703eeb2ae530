package signins

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/org/vdi-operator/pkg/keyset"
	"github.com/org/vdi-operator/pkg/signin"
)

// A code has the form of every other secret: 32 bytes in base64 for URLs. The first of them say
// which sign-in it is of, so that a replica whose cache is behind finds it; the others, 96 bits
// for a minute and one use, are random.
const nameBytes = 20

var nameEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// newCode makes a code of the sign-in of this name.
func newCode(name string) (string, error) {
	of, err := nameEncoding.DecodeString(strings.ToUpper(strings.TrimPrefix(name, signin.NamePrefix)))
	if err != nil || len(of) != nameBytes {
		return "", fmt.Errorf("%q is no name of a sign-in", name)
	}
	code := make([]byte, keyset.Size)
	copy(code, of)
	_, _ = rand.Read(code[nameBytes:]) // does not fail
	return base64.RawURLEncoding.EncodeToString(code), nil
}

// signInOf is the name of the sign-in of a code.
func signInOf(code string) (name string, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(code)
	if err != nil || len(raw) != keyset.Size {
		return "", false
	}
	return signin.NamePrefix + strings.ToLower(nameEncoding.EncodeToString(raw[:nameBytes])), true
}
