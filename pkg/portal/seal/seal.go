// Package seal encrypts and authenticates what the portal keeps outside of itself: tokens in
// objects, and sign-ins under way in cookies.
//
// It writes with the current key and reads with the one before as well, so that replacing
// the keys signs nobody out.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"sync/atomic"

	"github.com/org/vdi-operator/pkg/keyset"
)

// ErrSealed says that neither key opens it: it was made for another purpose, by others, or
// by a key that is gone.
var ErrSealed = errors.New("none of the portal's keys opens it")

// The purposes of a key: what is derived for one is of no use for another.
const (
	forEncryption     = "vdi portal encryption"
	forAuthentication = "vdi portal authentication"
)

// Box seals with a set of keys, which can be replaced meanwhile. It is safe for concurrent use.
type Box struct {
	keys atomic.Pointer[[]key]
}

// key is what is derived of one of the set.
type key struct {
	aead cipher.AEAD
	mac  []byte
}

// New makes a box of these keys.
func New(s keyset.Set) (*Box, error) {
	b := &Box{}
	return b, b.Use(s)
}

// Use seals with these keys from now on.
func (b *Box) Use(s keyset.Set) error {
	keys := make([]key, 0, len(s))
	for _, secret := range s {
		k, err := derive(secret)
		if err != nil {
			return err
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return errors.New("the set of keys is empty")
	}
	b.keys.Store(&keys)
	return nil
}

func derive(secret []byte) (key, error) {
	encryption, err := hkdf.Key(sha256.New, secret, nil, forEncryption, keyset.Size)
	if err != nil {
		return key{}, err
	}
	block, err := aes.NewCipher(encryption)
	if err != nil {
		return key{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return key{}, err
	}
	mac, err := hkdf.Key(sha256.New, secret, nil, forAuthentication, keyset.Size)
	return key{aead: aead, mac: mac}, err
}

// Seal encrypts; what it is of, such as an object's name, has to be said again to open it.
func (b *Box) Seal(plain []byte, of string) []byte {
	return (*b.keys.Load())[0].aead.Seal(nil, nil, plain, []byte(of))
}

// Open decrypts what Seal made of the same thing.
func (b *Box) Open(sealed []byte, of string) ([]byte, error) {
	for _, k := range *b.keys.Load() {
		if plain, err := k.aead.Open(nil, nil, sealed, []byte(of)); err == nil {
			return plain, nil
		}
	}
	return nil, ErrSealed
}

// Sign is a text by which Signed knows again what it is of.
func (b *Box) Sign(of string) string {
	return base64.RawURLEncoding.EncodeToString((*b.keys.Load())[0].sum(of))
}

// Signed says that Sign made the text of the same thing.
func (b *Box) Signed(text, of string) bool {
	sum, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return false
	}
	for _, k := range *b.keys.Load() {
		if hmac.Equal(sum, k.sum(of)) {
			return true
		}
	}
	return false
}

func (k key) sum(of string) []byte {
	h := hmac.New(sha256.New, k.mac)
	h.Write([]byte(of))
	return h.Sum(nil)
}
