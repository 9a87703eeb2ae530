package main

import (
	"log/slog"

	"github.com/org/vdi-operator/activator/auth/visit"
	"github.com/org/vdi-operator/pkg/mounted"
)

// visitKeys are those that sign visitors' cookies, as they are in their file.
type visitKeys struct {
	*mounted.Follower
	keys *visit.Keys
}

// openVisitKeys reads them for the first time.
func openVisitKeys(path string, log *slog.Logger) (*visitKeys, error) {
	read := func() ([]byte, error) { return mounted.Read(path, "keys of visits (--visit-keys)") }
	raw, err := read()
	if err != nil {
		return nil, err
	}
	keys, err := visit.NewKeys(raw)
	if err != nil {
		return nil, err
	}
	use := func() (string, error) {
		raw, err := read()
		if err != nil {
			return "", err
		}
		if changed, err := keys.Use(raw); err != nil || !changed {
			return "", err
		}
		return "the keys that sign visitors' cookies have changed; what the key signed that is now the second stays good", nil
	}
	return &visitKeys{keys: keys, Follower: &mounted.Follower{Use: use, Log: log,
		Refused: "the new keys of visits cannot be used; those before stay in use"}}, nil
}
