package main

import (
	"context"
	"log/slog"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/org/vdi-operator/activator/auth/visit"
)

// visitKeysEvery is how often the keys' file is read: much more often than kubelet brings a change.
const visitKeysEvery = 5 * time.Second

// visitKeys are those that sign visitors' cookies, in a file that kubelet replaces when the Secret
// changes.
type visitKeys struct {
	path string
	keys *visit.Keys
	log  *slog.Logger

	failed string // the last failure that was logged
}

// openVisitKeys reads them for the first time.
func openVisitKeys(path string, log *slog.Logger) (*visitKeys, error) {
	k := &visitKeys{path: path, log: log}
	raw, err := k.read()
	if err != nil {
		return nil, err
	}
	k.keys, err = visit.NewKeys(raw)
	return k, err
}

func (k *visitKeys) read() ([]byte, error) {
	return readSecret(k.path, "keys of visits (--visit-keys)")
}

// follow uses the keys as they are, until ctx ends.
func (k *visitKeys) follow(ctx context.Context, every time.Duration) {
	wait.UntilWithContext(ctx, func(context.Context) { k.check() }, every)
}

func (k *visitKeys) check() {
	raw, err := k.read()
	changed := false
	if err == nil {
		changed, err = k.keys.Use(raw)
	}
	switch {
	case err == nil:
		k.failed = ""
		if changed {
			k.log.Info("the keys that sign visitors' cookies have changed; what the key signed that is now the second stays good")
		}
	case k.failed != err.Error():
		k.failed = err.Error()
		k.log.Error("the new keys of visits cannot be used; those before stay in use", "error", err)
	}
}
