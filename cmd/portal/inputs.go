package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/mounted"
	"github.com/org/vdi-operator/pkg/portal/provider"
)

// inputs are what the chart mounts into the pod.
type inputs struct {
	config config.Config
	keys   *keys
	secret func() (string, error)
	client *http.Client
}

func readInputs(f flags, log *slog.Logger) (in inputs, err error) {
	if in.config, err = config.Load(f.config); err != nil {
		return inputs{}, err
	}
	switch {
	case in.config.Auth.OIDC == nil:
		return inputs{}, errors.New("configuration: auth.oidc is missing: the portal is for an identity provider; without one do not start it")
	case in.config.Portal == nil:
		return inputs{}, errors.New("configuration: portal is missing: say its host and Service")
	}
	if in.keys, err = openKeys(f.keys, log); err != nil {
		return inputs{}, err
	}
	in.secret = clientSecret(f.clientSecret)
	if _, err = in.secret(); err != nil {
		return inputs{}, err
	}
	in.client, err = providerClient(f.ca)
	return in, err
}

// clientSecret reads the file each time: kubelet replaces it when the Secret changes.
func clientSecret(path string) func() (string, error) {
	return func() (string, error) {
		if path == "" {
			return "", nil
		}
		raw, err := mounted.Read(path, "client secret (--client-secret)")
		return string(bytes.TrimSpace(raw)), err
	}
}

func providerClient(ca string) (*http.Client, error) {
	var pem []byte
	if ca != "" {
		var err error
		if pem, err = mounted.Read(ca, "the identity provider's certificates (--ca)"); err != nil {
			return nil, err
		}
	}
	c, err := provider.NewClient(pem)
	if err != nil {
		return nil, fmt.Errorf("the identity provider's certificates (--ca): %w", err)
	}
	return c, nil
}
