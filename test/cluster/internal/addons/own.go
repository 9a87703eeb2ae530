package addons

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/org/vdi-operator/build/cache"
	"github.com/org/vdi-operator/test/cluster/internal/build"
	"github.com/org/vdi-operator/test/cluster/internal/layout"
	"github.com/org/vdi-operator/test/cluster/internal/versions"
)

var (
	//go:embed manifests/coredns.yaml
	corednsTemplate string
	//go:embed manifests/deviceplugin.yaml
	devicePluginTemplate string
)

// CoreDNS is the cluster's DNS. Names outside the cluster are asked of upstream; without
// any, they do not exist.
func CoreDNS(image string, upstream []string) ([]byte, error) {
	return fill(corednsTemplate, map[string]any{
		"Image": image, "Domain": layout.ClusterDomain, "ServiceIP": layout.DNSService, "Upstream": strings.Join(upstream, " "),
	})
}

// DevicePlugin offers count GPUs to the kubelet whose plugin folder lies at dir.
func DevicePlugin(image string, count int, dir string) ([]byte, error) {
	return fill(devicePluginTemplate, map[string]any{"Image": image, "Count": count, "Dir": dir})
}

func fill(manifest string, values map[string]any) ([]byte, error) {
	parsed, err := template.New("manifest").Option("missingkey=error").Parse(manifest)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = parsed.Execute(&out, values)
	return out.Bytes(), err
}

// Resolvers returns the name servers of a resolv.conf that a pod can reach: those that are
// no loopback address.
func Resolvers(file string) []string {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	var servers []string
	for line := range strings.Lines(string(raw)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		if ip := net.ParseIP(fields[1]); ip != nil && !ip.IsLoopback() && ip.To4() != nil {
			servers = append(servers, ip.String())
		}
	}
	return servers
}

// LocalPath adapts the provisioner's published manifest: its image, where volumes lie, and
// a helper that is a program instead of a shell script.
func LocalPath(published []byte, image, helper, volumes string) ([]byte, error) {
	objects, err := parse(published)
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(map[string]any{
		"nodePathMap":     []any{map[string]any{"node": "DEFAULT_PATH_FOR_NON_LISTED_NODES", "paths": []string{volumes}}},
		"setupCommand":    helperProgram,
		"teardownCommand": helperProgram,
	})
	if err != nil {
		return nil, err
	}
	for _, o := range objects {
		switch o.kind() {
		case "Deployment":
			for _, c := range o.containers() {
				c["image"] = image
				child(c, "resources", "requests")["cpu"] = "10m"
			}
		case "StorageClass":
			child(o, "metadata", "annotations")["storageclass.kubernetes.io/is-default-class"] = "true"
		case "ConfigMap":
			o["data"] = map[string]any{"config.json": string(config), "helperPod.yaml": fmt.Sprintf(helperPod, helper)}
		}
	}
	return render(objects)
}

// helperProgram is the helper's path in its image.
const helperProgram = "/volume"

const helperPod = `apiVersion: v1
kind: Pod
metadata:
  name: helper-pod
spec:
  priorityClassName: system-node-critical
  automountServiceAccountToken: false
  containers:
  - name: helper-pod
    image: %s
    imagePullPolicy: Never
`

// LocalPathSources returns the provisioner's published manifest as a file in the cache.
func LocalPathSources(ctx context.Context, b build.Builder) (string, error) {
	final := b.Cache.Path("manifests", "local-path-"+versions.LocalPathProvisioner+".yaml")
	if cache.Has(final) {
		return final, nil
	}
	m := build.LocalPathProvisioner()
	dir, _, err := b.Download(ctx, m.Path, m.Version)
	if err != nil {
		return "", err
	}
	raw, err := os.ReadFile(filepath.Join(dir, "deploy", "local-path-storage.yaml"))
	if err != nil {
		return "", err
	}
	return final, publish(b.Cache, final, raw)
}
