// Package versions pins what the cluster is made of. Versions of Go libraries that this
// program itself uses, CoreDNS and the device-plugin API among them, are in go.mod.
package versions

const (
	// Kubernetes is built from k8s.io/kubernetes at this version. Knative's components
	// ask the API server for its version and refuse one that is older than they support.
	Kubernetes = "v1.35.4"
	// Knative is knative.dev/serving's version.
	Knative = "v0.50.0"
	// KnativeOperator is knative.dev/operator's version.
	KnativeOperator = "v0.50.0"
	// KnativeRelease is what the Knative Operator calls the version of Serving above.
	KnativeRelease = "1.23.0"
	// Traefik is github.com/traefik/traefik/v3's version. Its go.mod names the version of
	// the Gateway API that it serves.
	Traefik = "v3.6.12"
	// PrometheusOperator is github.com/prometheus-operator/prometheus-operator's version;
	// its CRDs alone are used.
	PrometheusOperator = "v0.94.1"
	// CertManager is github.com/cert-manager/cert-manager's version; its CRDs alone are used.
	CertManager = "v1.20.2"
	// LocalPathProvisioner is github.com/rancher/local-path-provisioner's version.
	LocalPathProvisioner = "v0.0.30"
)
