package addons

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const published = `# licence
apiVersion: apps/v1
kind: Deployment
metadata:
  name: controller
  labels: {app.kubernetes.io/version: devel}
spec:
  template:
    metadata:
      labels: {app.kubernetes.io/version: devel}
    spec:
      containers:
      - name: controller
        image: ko://knative.dev/serving/cmd/controller
        resources: {requests: {cpu: 100m, memory: 100Mi}, limits: {cpu: "1"}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: config-deployment}
data:
  queue-sidecar-image: ko://knative.dev/serving/cmd/queue
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: routes}
---
apiVersion: v1
kind: Namespace
metadata: {name: knative-serving}
`

func TestKnativeRunsOurImagesAndAsksForLittle(t *testing.T) {
	definitions, rest, err := Knative([]byte(published), map[string]string{"controller": "dev.local/c:1", "queue": "dev.local/q:1"})
	require.NoError(t, err)
	if objects, err := parse(definitions); err != nil || len(objects) != 1 || objects[0].kind() != "CustomResourceDefinition" {
		t.Errorf("definitions are %v, %v", objects, err)
	}
	objects, err := parse(rest)
	require.NoError(t, err)
	require.Len(t, objects, 3, "objects")
	assert.Equal(t, "Namespace", objects[0].kind(), "the namespace does not come first")
	require.NotContains(t, string(rest), "ko://")
	assert.NotContains(t, string(rest), "devel", "something is not filled in:\n%s", rest)
	container := objects[1].containers()[0]
	requests := child(container, "resources", "requests")
	if container["image"] != "dev.local/c:1" || requests["cpu"] != knativeCPU || requests["memory"] != "100Mi" {
		t.Errorf("container is %v", container)
	}
	assert.False(t, child(objects[1], "spec")["replicas"] != float64(1), "not one replica")
}

func TestVolumesLieWhereTheyAreToldAndTheClassIsTheDefault(t *testing.T) {
	const manifest = `kind: ConfigMap
metadata: {name: local-path-config}
data: {config.json: "{}", setup: script}
---
kind: StorageClass
metadata: {name: local-path}
---
kind: Deployment
spec: {template: {spec: {containers: [{image: upstream}]}}}
`
	out, err := LocalPath([]byte(manifest), "dev.local/provisioner:1", "dev.local/volume:1", "/state/volumes")
	require.NoError(t, err)
	objects, err := parse(out)
	require.NoError(t, err)
	data := child(objects[0], "data")
	require.Contains(t, text(data["config.json"]), "/state/volumes")
	require.Contains(t, text(data["helperPod.yaml"]), "dev.local/volume:1")
	assert.Nil(t, data["setup"], "config is %v", data)
	assert.False(t, child(objects[1], "metadata", "annotations")["storageclass.kubernetes.io/is-default-class"] != "true",
		"the class is not the default")
	assert.False(t, objects[2].containers()[0]["image"] != "dev.local/provisioner:1", "the image is not ours")
}

func TestOurManifestsAreValid(t *testing.T) {
	for _, upstream := range [][]string{nil, {"192.0.2.53"}} {
		out, err := CoreDNS("dev.local/coredns:1", upstream)
		require.NoError(t, err)
		assert.Equal(t, upstream != nil, strings.Contains(string(out), "forward ."), "upstream %v:\n%s", upstream, out)
		objects, err := parse(out)
		require.NoError(t, err)
		assert.Len(t, objects, 6, "objects")
	}
	out, err := DevicePlugin("dev.local/deviceplugin:1", 3, "/state/device-plugins")
	require.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), "--count=3", "%s", out)
	_, err = parse(out)
	assert.NoError(t, err)
}

func TestOnlyResolversThatAPodCanReachAreUsed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(file, []byte("search x\nnameserver 127.0.0.53\nnameserver 192.0.2.1\nnameserver ::1\nnameserver nonsense\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	assert.Equal(t, []string{"192.0.2.1"}, Resolvers(file))
	assert.Nil(t, Resolvers(file+".absent"))
}
