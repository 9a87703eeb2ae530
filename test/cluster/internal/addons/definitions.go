package addons

import (
	"context"

	"github.com/org/vdi-operator/test/cluster/internal/build"
)

// The folders of their definitions in the modules of those who bring them.
const (
	prometheusOperatorDefinitions = "example/prometheus-operator-crd"
	certManagerDefinitions        = "deploy/crds"
)

// PrometheusOperatorDefinitions returns those of ServiceMonitor and its siblings, as one
// file in the cache.
func PrometheusOperatorDefinitions(ctx context.Context, b build.Builder) (string, error) {
	return gathered(ctx, b, build.PrometheusOperator(), "prometheus-operator", folder(prometheusOperatorDefinitions), nil)
}

// CertManagerDefinitions returns those of Certificate and its siblings.
func CertManagerDefinitions(ctx context.Context, b build.Builder) (string, error) {
	return gathered(ctx, b, build.CertManager(), "cert-manager", folder(certManagerDefinitions), nil)
}
