// Package visit signs and reads the cookies by which a browser that was let into a session
// comes back: for minutes, renewed for as long as what it rests on holds.
//
// It promises that a cookie is good for one session of one UID and as one kind of token only.
// What it rests on is named in it, and checked by package auth on each request.
package visit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/org/vdi-operator/pkg/keyset"
)

// Keys are those that sign cookies, the current one first, and can be replaced meanwhile: what
// the one before has signed stays good.
type Keys struct{ set atomic.Pointer[[]key] }

type key struct {
	id     string
	secret []byte
}

// NewKeys reads a set of package keyset.
func NewKeys(raw []byte) (*Keys, error) {
	k := &Keys{}
	_, err := k.Use(raw)
	return k, err
}

// Use signs and checks with another set from now on. It says whether that is another one than
// before; after an error the one before stays.
func (k *Keys) Use(raw []byte) (changed bool, err error) {
	parsed, err := keyset.Parse(raw)
	if err != nil {
		return false, fmt.Errorf("keys of visits: %w", err)
	}
	set := make([]key, len(parsed))
	for i, secret := range parsed {
		set[i] = key{id: idOf(secret), secret: secret}
	}
	was := k.set.Swap(&set)
	same := func(a, b key) bool { return a.id == b.id }
	return was == nil || !slices.EqualFunc(*was, set, same), nil
}

// idOf names a key, and says nothing of it.
func idOf(secret []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("vdi visit key id"))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

func (k *Keys) current() key { return (*k.set.Load())[0] }

func (k *Keys) named(id string) ([]byte, bool) {
	for _, one := range *k.set.Load() {
		if one.id == id {
			return one.secret, true
		}
	}
	return nil, false
}
