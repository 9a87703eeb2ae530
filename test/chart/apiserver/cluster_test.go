//go:build integration

package apiserver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/org/vdi-operator/test/chart/render"
)

const chart = "charts/vdi-operator"

// kubeconfig is a file by which Helm reaches the API server as its administrator.
func kubeconfig(t *testing.T) (path string) {
	t.Helper()
	c := clientcmdapi.NewConfig()
	c.Clusters["test"] = &clientcmdapi.Cluster{Server: "https://" + strings.TrimPrefix(config.Host, "https://"), CertificateAuthorityData: config.CAData}
	c.AuthInfos["admin"] = &clientcmdapi.AuthInfo{ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}
	c.Contexts["test"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: "admin"}
	c.CurrentContext = "test"
	raw, err := clientcmd.Write(*c)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// What only a cluster can tell, Helm says before it changes anything.
func TestWhatTheClusterLacksIsSaid(t *testing.T) {
	path := kubeconfig(t)
	for name, c := range map[string]struct {
		flags []string
		says  []string
	}{
		"nothing": {},
		"the definitions are there, and need not come along": {flags: []string{"--set", "crds.enabled=false"}},
		"Knative's namespace":                                {[]string{"--set", "knative.namespace=serving"}, []string{"knative.namespace", `"serving"`, "Name the namespace"}},
		"without Knative, its namespace does not matter":     {flags: []string{"--set", "knative.enabled=false,knative.namespace=serving"}},
		"a namespace of sessions":                            {[]string{"--set", "watchNamespaces={team-a,team-c}"}, []string{"watchNamespaces", `"team-c"`, "kubectl create namespace team-c"}},
		"the release's namespace may be about to come":       {flags: []string{"--set", "watchNamespaces={fresh}", "--namespace", "fresh", "--create-namespace"}},
	} {
		t.Run(name, func(t *testing.T) {
			flags := append([]string{"install", render.Release, chart, "--namespace", render.Namespace, "--dry-run=server"}, c.flags...)
			_, err := render.HelmAt(t.Context(), path, flags...)
			if len(c.says) == 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			for _, say := range c.says {
				if err == nil || !strings.Contains(err.Error(), say) {
					t.Errorf("it must say %q; it says %v", say, err)
				}
			}
		})
	}
}
