package chart

import "testing"

func TestTheChartMakesTheTemplatesOfItsValues(t *testing.T) {
	const ours = "VDITemplate/selkies "
	checkFields(t, map[string]fieldCase{
		"its own, and more of its spec": {
			[]string{`selkies.spec=@json:{"gpuResourceName":"nvidia.com/gpu.shared","imagePullSecrets":[{"name":"pull"}],` +
				`"resources":{"defaultGPU":0},"persistence":{"enabled":false},"podTemplate":{"spec":{"runtimeClassName":"nvidia"}}}`},
			map[string]string{
				ours + ".spec.gpuResourceName":                               "nvidia.com/gpu.shared",
				ours + ".spec.imagePullSecrets[0].name":                      "pull",
				ours + ".spec.resources.defaultGPU":                          "0",
				ours + ".spec.resources.defaultMemory":                       "8Gi",
				ours + ".spec.persistence.enabled":                           "false",
				ours + ".spec.persistence.mountPath":                         "/home/ubuntu",
				ours + ".spec.podTemplate.spec.runtimeClassName":             "nvidia",
				ours + ".spec.podTemplate.spec.securityContext.runAsNonRoot": "true",
			}},
		"an image of its spec comes from the registry of all": {
			[]string{"selkies.spec.image=ghcr.io/mine/desktop:1", "global.imageRegistry=registry.example.com/mirror"},
			map[string]string{ours + ".spec.image": "registry.example.com/mirror/mine/desktop:1"}},
		"further ones": {
			[]string{"selkies.enabled=false", `templates=@json:[{"name":"a","spec":{"image":"a:1","security":"ImageRoot"}},{"name":"b","spec":{"image":"b:1"}}]`},
			map[string]string{
				"VDITemplate/a .spec.security":                                               "ImageRoot",
				"VDITemplate/b .spec.image":                                                  "b:1",
				"VDITemplate/b .metadata.annotations.helm\\.sh/resource-policy":              "keep",
				"VDITemplate/b .metadata.annotations.argocd\\.argoproj\\.io/sync-options":    "Prune=false",
				"VDITemplate/b .metadata.annotations.argocd\\.argoproj\\.io/compare-options": "IgnoreExtraneous",
				ours + ".spec.image":                                                         "",
			}},
	})
}
