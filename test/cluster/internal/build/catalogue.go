package build

import (
	"strings"

	"github.com/org/vdi-operator/test/cluster/internal/versions"
)

// Kubernetes is the control plane, the node's agents and the client.
func Kubernetes() Module {
	numbers := strings.Split(strings.TrimPrefix(versions.Kubernetes, "v"), ".")
	const version = "k8s.io/component-base/version."
	return Module{
		Path:    "k8s.io/kubernetes",
		Version: versions.Kubernetes,
		Packages: []string{
			"cmd/kube-apiserver", "cmd/kube-controller-manager", "cmd/kube-scheduler",
			"cmd/kubelet", "cmd/kube-proxy", "cmd/kubectl",
		},
		// Without these /version answers v0.0.0 and Knative's components refuse to start.
		LinkerFlags: "-X " + version + "gitVersion=" + versions.Kubernetes +
			" -X " + version + "gitMajor=" + numbers[0] +
			" -X " + version + "gitMinor=" + numbers[1] +
			" -X " + version + "gitTreeState=clean",
		// k8s.io/api and its siblings are published as v0.MINOR.PATCH.
		Staging: "v0." + strings.Join(numbers[1:], "."),
	}
}

// Knative is Knative Serving without its optional extensions.
func Knative() Module {
	return Module{
		Path:     "knative.dev/serving",
		Version:  versions.Knative,
		Packages: []string{"cmd/controller", "cmd/activator", "cmd/autoscaler", "cmd/webhook", "cmd/queue"},
	}
}

// KnativeOperator installs Knative Serving from a KnativeServing resource. Its webhook,
// which would convert resources of earlier versions, is left out.
func KnativeOperator() Module {
	return Module{
		Path:     "knative.dev/operator",
		Version:  versions.KnativeOperator,
		Packages: []string{"cmd/operator"},
	}
}

// Traefik is an ingress controller. Its ACME client comes with the software of some two
// hundred DNS providers, for a challenge that nobody takes here: 1,649 packages are left
// without them.
func Traefik() Module {
	return Module{
		Path:     "github.com/traefik/traefik/v3",
		Version:  versions.Traefik,
		Packages: []string{"cmd/traefik"},
		Trim:     &Trim{Path: "github.com/go-acme/lego/v4", Folder: "providers/dns", Source: noDNSProviders},
	}
}

// noDNSProviders stands for lego's providers/dns/zz_gen_dns_providers.go.
const noDNSProviders = `package dns

import (
	"fmt"

	"github.com/go-acme/lego/v4/challenge"
)

// NewDNSChallengeProviderByName knows none.
func NewDNSChallengeProviderByName(name string) (challenge.Provider, error) {
	return nil, fmt.Errorf("the DNS provider %q was left out of this build", name)
}
`

// PrometheusOperator and CertManager bring definitions; nothing of them is built.
func PrometheusOperator() Module {
	return Module{Path: "github.com/prometheus-operator/prometheus-operator", Version: versions.PrometheusOperator}
}

// CertManager is the other.
func CertManager() Module {
	return Module{Path: "github.com/cert-manager/cert-manager", Version: versions.CertManager}
}

// LocalPathProvisioner makes volumes of folders on the node.
func LocalPathProvisioner() Module {
	return Module{
		Path:     "github.com/rancher/local-path-provisioner",
		Version:  versions.LocalPathProvisioner,
		Packages: []string{"."},
	}
}
