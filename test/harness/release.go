package harness

import (
	"path/filepath"

	"github.com/org/vdi-operator/test/helm"
)

// Release is the release that the platform command installed.
func (in *Installation) Release() helm.Release { return in.ReleaseOf("vdi", in.SystemNamespace) }

// ReleaseOf is any other.
func (in *Installation) ReleaseOf(name, namespace string) helm.Release {
	return helm.Release{Name: name, Namespace: namespace, Kubeconfig: in.Kubeconfig}
}

// Chart is this tree's chart.
func (in *Installation) Chart() string { return filepath.Join(in.Root, helm.Chart) }
