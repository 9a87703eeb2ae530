package addons

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
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
	if err != nil {
		t.Fatal(err)
	}
	if objects, err := parse(definitions); err != nil || len(objects) != 1 || objects[0].kind() != "CustomResourceDefinition" {
		t.Errorf("definitions are %v, %v", objects, err)
	}
	objects, err := parse(rest)
	if err != nil || len(objects) != 3 {
		t.Fatalf("%d objects, %v", len(objects), err)
	}
	if objects[0].kind() != "Namespace" {
		t.Error("the namespace does not come first")
	}
	if strings.Contains(string(rest), "ko://") || strings.Contains(string(rest), "devel") {
		t.Errorf("something is not filled in:\n%s", rest)
	}
	container := objects[1].containers()[0]
	requests := child(container, "resources", "requests")
	if container["image"] != "dev.local/c:1" || requests["cpu"] != knativeCPU || requests["memory"] != "100Mi" {
		t.Errorf("container is %v", container)
	}
	if child(objects[1], "spec")["replicas"] != float64(1) {
		t.Error("not one replica")
	}
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
	if err != nil {
		t.Fatal(err)
	}
	objects, err := parse(out)
	if err != nil {
		t.Fatal(err)
	}
	data := child(objects[0], "data")
	if !strings.Contains(text(data["config.json"]), "/state/volumes") || !strings.Contains(text(data["helperPod.yaml"]), "dev.local/volume:1") || data["setup"] != nil {
		t.Errorf("config is %v", data)
	}
	if child(objects[1], "metadata", "annotations")["storageclass.kubernetes.io/is-default-class"] != "true" {
		t.Error("the class is not the default")
	}
	if objects[2].containers()[0]["image"] != "dev.local/provisioner:1" {
		t.Error("the image is not ours")
	}
}

func TestOurManifestsAreValid(t *testing.T) {
	for _, upstream := range [][]string{nil, {"192.0.2.53"}} {
		out, err := CoreDNS("dev.local/coredns:1", upstream)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(out), "forward .") != (upstream != nil) {
			t.Errorf("upstream %v:\n%s", upstream, out)
		}
		if objects, err := parse(out); err != nil || len(objects) != 6 {
			t.Errorf("%d objects, %v", len(objects), err)
		}
	}
	out, err := DevicePlugin("dev.local/deviceplugin:1", 3, "/state/device-plugins")
	if err != nil || !strings.Contains(string(out), "--count=3") {
		t.Errorf("%s, %v", out, err)
	}
	if _, err := parse(out); err != nil {
		t.Error(err)
	}
}

func TestOnlyResolversThatAPodCanReachAreUsed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(file, []byte("search x\nnameserver 127.0.0.53\nnameserver 192.0.2.1\nnameserver ::1\nnameserver nonsense\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := Resolvers(file); !slices.Equal(got, []string{"192.0.2.1"}) {
		t.Errorf("got %v", got)
	}
	if got := Resolvers(file + ".absent"); got != nil {
		t.Errorf("got %v", got)
	}
}
