package main

import (
	"log/slog"

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
