package main

import (
	"bytes"
	"fmt"
	"log/slog"

	"github.com/org/vdi-operator/pkg/keyset"
	"github.com/org/vdi-operator/pkg/mounted"
	"github.com/org/vdi-operator/pkg/portal/seal"
)

// keys are the portal's, as they are in their file.
type keys struct {
	*mounted.Follower
	box *seal.Box
}

// openKeys reads them for the first time.
func openKeys(path string, log *slog.Logger) (*keys, error) {
	set, used, err := readKeys(path)
	if err != nil {
		return nil, err
	}
	box, err := seal.New(set)
	if err != nil {
		return nil, err
	}
	use := func() (string, error) {
		set, raw, err := readKeys(path)
		if err != nil || bytes.Equal(raw, used) {
			return "", err
		}
		if err := box.Use(set); err != nil {
			return "", err
		}
		used = raw
		return "the portal's keys have changed; what the former one sealed still opens", nil
	}
	return &keys{box: box, Follower: &mounted.Follower{Use: use, Log: log, Refused: "the new keys cannot be used; those before stay in use"}}, nil
}

func readKeys(path string) (keyset.Set, []byte, error) {
	const what = "the portal's keys (--portal-keys)"
	raw, err := mounted.Read(path, what)
	if err != nil {
		return nil, nil, err
	}
	set, err := keyset.Parse(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %s: %w", what, path, err)
	}
	return set, raw, nil
}
