package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/org/vdi-operator/pkg/keyset"
	"github.com/org/vdi-operator/pkg/portal/seal"
)

// keysEvery is how often the keys' file is read: much more often than kubelet brings a change.
const keysEvery = 5 * time.Second

// keys are the portal's, in a file that kubelet replaces when the Secret changes.
type keys struct {
	path string
	box  *seal.Box
	log  *slog.Logger

	used   []byte // the file's content that is in use
	failed string // the last failure that was logged
}

// openKeys reads them for the first time.
func openKeys(path string, log *slog.Logger) (*keys, error) {
	k := &keys{path: path, log: log}
	set, raw, err := k.read()
	if err != nil {
		return nil, err
	}
	k.used = raw
	k.box, err = seal.New(set)
	return k, err
}

func (k *keys) read() (keyset.Set, []byte, error) {
	const what = "the portal's keys (--portal-keys)"
	raw, err := readFile(k.path, what)
	if err != nil {
		return nil, nil, err
	}
	set, err := keyset.Parse(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %s: %w", what, k.path, err)
	}
	return set, raw, nil
}

// follow uses the keys as they are, until ctx ends.
func (k *keys) follow(ctx context.Context, every time.Duration) {
	wait.UntilWithContext(ctx, func(context.Context) { k.check() }, every)
}

func (k *keys) check() {
	set, raw, err := k.read()
	if err == nil && bytes.Equal(raw, k.used) {
		k.failed = ""
		return
	}
	if err == nil {
		err = k.box.Use(set)
	}
	switch {
	case err == nil:
		k.used, k.failed = raw, ""
		k.log.Info("the portal's keys have changed; what the former one sealed still opens")
	case k.failed != err.Error():
		k.failed = err.Error()
		k.log.Error("the new keys cannot be used; those before stay in use", "error", err)
	}
}
