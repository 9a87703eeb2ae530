package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/org/vdi-operator/activator/listener"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/token/certfile"
)

// inputs are what the chart mounts into the pod.
type inputs struct {
	config      config.Config
	proxies     listener.Proxies
	certificate *certfile.Certificates
	turnSecret  *turnSecret
	visits      *visitKeys
}

func readInputs(f flags, log *slog.Logger) (in inputs, err error) {
	if in.config, err = config.Load(f.config); err != nil {
		return inputs{}, err
	}
	if in.proxies, err = listener.ParseProxies(in.config.TrustedProxies); err != nil {
		return inputs{}, err
	}
	if in.certificate, err = certfile.Open(f.verificationCert, "links", log); err != nil {
		return inputs{}, err
	}
	if in.visits, err = openVisitKeys(f.visitKeys, log); err != nil {
		return inputs{}, err
	}
	in.turnSecret, err = openTURNSecret(f.turnSecret, log)
	return in, err
}

// readSecret reads a file and refuses an empty one.
func readSecret(path, what string) ([]byte, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if len(raw) == 0 {
		return nil, fmt.Errorf("%s: %s is empty", what, path)
	}
	return raw, nil
}
