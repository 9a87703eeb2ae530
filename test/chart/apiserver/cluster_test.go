//go:build integration

package apiserver

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/test/helm"
)

// installed is the release in a namespace of the API server, for its administrator.
func installed(t *testing.T, namespace string) helm.Release {
	t.Helper()
	r := vdi(namespace)
	c := clientcmdapi.NewConfig()
	c.Clusters["test"] = &clientcmdapi.Cluster{Server: "https://" + strings.TrimPrefix(config.Host, "https://"),
		CertificateAuthorityData: config.CAData}
	c.AuthInfos["admin"] = &clientcmdapi.AuthInfo{ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}
	c.Contexts["test"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: "admin"}
	c.CurrentContext = "test"
	raw, err := clientcmd.Write(*c)
	require.NoError(t, err)
	r.Kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, os.WriteFile(r.Kubeconfig, raw, 0o600))
	return r
}

// What only a cluster can tell, Helm says before it changes anything.
func TestWhatTheClusterLacksIsSaid(t *testing.T) {
	r := installed(t, systemNamespace)
	for name, c := range map[string]struct {
		namespace string
		flags     []string
		says      []string
	}{
		"nothing": {},
		"Knative's namespace": {"", []string{"--set", "knative.namespace=serving"},
			[]string{"knative.namespace", `"serving"`, "Name the namespace"}},
		"without Knative, its namespace does not matter": {flags: []string{"--set", "knative.enabled=false,knative.namespace=serving"}},
		"a namespace of sessions": {"", []string{"--set", "watchNamespaces={team-a,team-c}"},
			[]string{"watchNamespaces", `"team-c"`, "kubectl create namespace team-c"}},
		"the release's namespace may be about to come": {namespace: "fresh",
			flags: []string{"--set", "watchNamespaces={fresh}", "--create-namespace"}},
	} {
		t.Run(name, func(t *testing.T) {
			// The definitions are there, and are not Helm's.
			r.Namespace = cmp.Or(c.namespace, systemNamespace)
			_, err := r.Helm(t.Context(), append([]string{"install", r.Name, helm.Chart, "--dry-run=server", "--set",
				"crds.enabled=false"}, c.flags...)...)
			if len(c.says) == 0 {
				assert.NoError(t, err)
				return
			}
			for _, say := range c.says {
				assert.ErrorContains(t, err, say, "it must say")
			}
		})
	}
}

// The other tests need the definitions: they come back at its end.
func TestDefinitionsThatAreMissingAreSaid(t *testing.T) {
	r, options := installed(t, systemNamespace), envtest.CRDInstallOptions{Paths: definitions, ErrorIfPathMissing: true}
	require.NoError(t, envtest.UninstallCRDs(config, options))
	t.Cleanup(func() {
		_, err := envtest.InstallCRDs(config, options)
		assert.NoError(t, err)
	})
	d, err := discovery.NewDiscoveryClientForConfig(config)
	require.NoError(t, err)
	eventually.NoError(t, "the groups of the definitions to go", func() error {
		groups, err := d.ServerGroups()
		if err == nil && slices.ContainsFunc(groups.Groups, func(g metav1.APIGroup) bool {
			return strings.HasSuffix(g.Name, "knative.dev") || g.Name == "vdi.kasm.io" || g.Name == "monitoring.coreos.com"
		}) {
			err = fmt.Errorf("the API server names %v", groups.Groups)
		}
		return err
	})
	for name, c := range map[string]struct {
		set  string
		says []string
	}{
		"Knative Serving":      {"selkies.enabled=false", []string{"knative.enabled", "no Knative Serving", "set knative.enabled=false"}},
		"this product's kinds": {"knative.enabled=false,crds.enabled=false", []string{"crds.enabled", "VDISession", "set crds.enabled=true"}},
		"the Prometheus Operator": {"knative.enabled=false,selkies.enabled=false,serviceMonitor.enabled=true",
			[]string{"serviceMonitor.enabled", "monitoring.coreos.com/v1", "prometheusAnnotations.enabled=true"}},
		"nothing, without Knative": {"knative.enabled=false,selkies.enabled=false", nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := r.Helm(t.Context(), "install", r.Name, helm.Chart, "--dry-run=server", "--set", c.set)
			assert.False(t, len(c.says) == 0 && err != nil, "%v", err)
			for _, say := range c.says {
				assert.ErrorContains(t, err, say, "it must say")
			}
		})
	}
}
