package workload

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

const (
	// userHashLength keeps 128 bits of a user's hash, well within a label's 63
	// characters.
	userHashLength = 32
	// shapeHashLength keeps 64 bits: it only has to differ from the shape before.
	shapeHashLength = 16
)

// UserHash stands for a user in a label: an e-mail address is not a legal value.
func UserHash(user string) string { return hash([]byte(user), userHashLength) }

func shapeHash(rendered any) (string, error) {
	raw, err := json.Marshal(rendered)
	if err != nil {
		return "", fmt.Errorf("hash of the desktop's shape: %w", err)
	}
	return hash(raw, shapeHashLength), nil
}

func hash(data []byte, length int) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])[:length]
}
