package tokentest

import (
	"crypto/elliptic"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"
)

// half is the length in bytes of each number of an ES256 signature (RFC 7518, 3.4).
const half = 32

// Twin is the other token that verifies as this one does: its signature (r, s) is (r, n-s).
func Twin(t testing.TB, raw string) string {
	t.Helper()
	dot := strings.LastIndexByte(raw, '.') + 1
	signature, err := base64.RawURLEncoding.DecodeString(raw[dot:])
	if err != nil || len(signature) != 2*half {
		t.Fatalf("no ES256 signature: %q (%v)", raw[dot:], err)
	}
	s := new(big.Int).SetBytes(signature[half:])
	s.Sub(elliptic.P256().Params().N, s).FillBytes(signature[half:])
	return raw[:dot] + base64.RawURLEncoding.EncodeToString(signature)
}
