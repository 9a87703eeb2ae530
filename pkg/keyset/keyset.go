// Package keyset reads symmetric keys of which two live at a time, so that they can be
// replaced while what the former one made still holds.
package keyset

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
)

// Size is a key's length in bytes.
const Size = 32

// most is how many keys a set has at most.
const most = 2

// Set is one key or two, the current one first. The other is the one before, or the next, which
// is there for a while before it is used.
type Set [][]byte

// New makes a set of one random key.
func New() Set { return Set{random()} }

// Announce takes a new key for the next, which everybody may get to know before it is used, and
// forgets the one before.
func (s Set) Announce() Set { return Set{s[0], random()} }

// Turn uses the next key, and keeps the current one as the one before; a set of one stays.
func (s Set) Turn() Set {
	if len(s) < most {
		return s
	}
	return Set{s[1], s[0]}
}

// Parse reads a line of standard base64 for each key.
func Parse(raw []byte) (Set, error) {
	var s Set
	for i, line := range bytes.Split(bytes.TrimSpace(raw), []byte("\n")) {
		key, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(line)))
		if err != nil || len(key) != Size {
			return nil, fmt.Errorf("line %d is no key: it must be %d random bytes in base64, as openssl rand -base64 %d writes them", i+1, Size, Size)
		}
		s = append(s, key)
	}
	if len(s) > most {
		return nil, fmt.Errorf("there are %d keys: keep the current one in the first line and the one before in the second", len(s))
	}
	return s, nil
}

// Bytes is what Parse reads.
func (s Set) Bytes() []byte {
	var out []byte
	for _, key := range s {
		out = append(base64.StdEncoding.AppendEncode(out, key), '\n')
	}
	return out
}

func random() []byte {
	key := make([]byte, Size)
	_, _ = rand.Read(key) // does not fail
	return key
}
