package chart

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/org/vdi-operator/pkg/config"
)

// peopleSignIn are values with which the portal runs.
var peopleSignIn = []string{"auth.oidc.issuer=https://login.example.com", "auth.oidc.clientID=vdi"}

func TestAnAutoscalerTakesTheReplicasPlace(t *testing.T) {
	const hpa = "HorizontalPodAutoscaler/vdi-activator "
	checkFields(t, map[string]fieldCase{
		"it counts connections, and one replica at least still has a budget": {
			[]string{"activator.autoscaling.enabled=true", "activator.autoscaling.minReplicas=1"},
			map[string]string{
				"Deployment/vdi-activator .spec.replicas":                "",
				"PodDisruptionBudget/vdi-activator .spec.maxUnavailable": "1",
				hpa + ".spec.metrics[*].pods.metric.name":                "vdi_activator_held_connections vdi_activator_relayed_connections",
				hpa + ".spec.metrics[0].pods.target":                     `{"averageValue":"5000","type":"AverageValue"}`,
				hpa + ".spec.behavior.scaleDown.policies":                `[{"periodSeconds":600,"type":"Pods","value":1}]`,
				hpa + ".spec.metrics[?(@.type=='Resource')]":             "",
			}},
		"a large number is never written as 1e+06": {
			[]string{"activator.autoscaling.enabled=true", "activator.autoscaling.targetRelayedConnections=1000000",
				"limits.heldConnections=1000000"},
			map[string]string{hpa + ".spec.metrics[1].pods.target.averageValue": "1000000"}},
		"a behavior replaces the chart's": {
			[]string{"activator.autoscaling.enabled=true", "activator.autoscaling.targetHeldConnections=0",
				"activator.autoscaling.targetRelayedConnections=0",
				"activator.autoscaling.targetCPU=70", "activator.autoscaling.behavior.scaleDown.selectPolicy=Disabled"},
			map[string]string{
				hpa + ".spec.behavior": `{"scaleDown":{"selectPolicy":"Disabled"}}`,
				hpa + ".spec.metrics":  `[{"resource":{"name":"cpu","target":{"averageUtilization":70,"type":"Utilization"}},"type":"Resource"}]`,
			}},
	})
}

func TestNoLabelChangesWhatSelectsPods(t *testing.T) {
	checkFields(t, map[string]fieldCase{
		"labels of all objects and of the pods": {
			[]string{"commonLabels.team=a", "operator.podLabels.team=b"},
			map[string]string{
				"Deployment/vdi-operator .spec.selector.matchLabels": `{"app.kubernetes.io/component":"operator",` +
					`"app.kubernetes.io/instance":"vdi","app.kubernetes.io/name":"vdi-operator"}`,
				"Deployment/vdi-operator .spec.template.metadata.labels.team": "b",
			}},
	})
}

func TestADigestWinsOverATag(t *testing.T) {
	const digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	checkFields(t, map[string]fieldCase{
		"with the registry of all images": {
			[]string{"global.imageRegistry=registry.example.com", "operator.image.tag=v1", "operator.image.digest=" + digest},
			map[string]string{"Deployment/vdi-operator .spec.template.spec.containers[0].image": "registry.example.com/org/vdi-operator@" + digest}},
	})
}

func TestOneTagIsThatOfAllPrograms(t *testing.T) {
	const of = ".spec.template.spec.containers[0].image"
	all := func(version string) map[string]string {
		return map[string]string{
			"Deployment/vdi-operator " + of:           "ghcr.io/org/vdi-operator:" + version,
			"Deployment/vdi-activator " + of:          "ghcr.io/org/vdi-activator:" + version,
			"Deployment/vdi-coturn " + of:             "ghcr.io/org/vdi-coturn:" + version,
			"Deployment/vdi-portal " + of:             "ghcr.io/org/vdi-portal:" + version,
			"DaemonSet/vdi-node " + of:                "ghcr.io/org/vdi-node:" + version,
			"Pod/vdi-check .spec.containers[0].image": "ghcr.io/org/vdi-operator:" + version,
		}
	}
	const digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	with := func(set ...string) []string { return slices.Concat(peopleSignIn, []string{"doze.enabled=true"}, set) }
	checkFields(t, map[string]fieldCase{
		"a version":               {with("image.tag=0.3.0"), all("0.3.0")},
		"as Git has it":           {with("image.tag=v0.3.0"), all("0.3.0")},
		"what is no version":      {with("image.tag=v2"), all("v2")},
		"one said in another way": {with("image.tag=0.3.0", "operator.image.tag=v0.3.0"), all("0.3.0")},
		"one of its own that is no version": {[]string{"activator.image.tag=mine"}, map[string]string{
			"Deployment/vdi-activator " + of: "ghcr.io/org/vdi-activator:mine"}},
		"one by its digest": {[]string{"operator.image.tag=0.1.0", "operator.image.digest=" + digest}, map[string]string{
			"Deployment/vdi-operator " + of: "ghcr.io/org/vdi-operator@" + digest}},
		"one that does not run":          {[]string{"agent.image.tag=0.1.0", "agent.enabled=false"}, nil},
		"a portal where nobody signs in": {[]string{"portal.image.tag=0.1.0"}, map[string]string{"Deployment/vdi-portal .kind": ""}},
	})
}

func TestRightsAreGivenToWhomAndWhereTheValuesSay(t *testing.T) {
	const coturn = "vdi-system-vdi-coturn"
	checkFields(t, map[string]fieldCase{
		"without rights, the service accounts stay": {
			[]string{"rbac.create=false"},
			map[string]string{
				"ServiceAccount/vdi-operator .kind": "ServiceAccount", "ServiceAccount/vdi-activator .kind": "ServiceAccount",
				"ClusterRole/vdi-system-vdi-operator .kind": "", "ClusterRole/vdi-system-vdi-activator .kind": "",
				"ClusterRole/vdi-system-vdi-view .kind": "",
			}},
		"an existing service account is bound": {
			[]string{"operator.serviceAccount.create=false", "operator.serviceAccount.name=desk"},
			map[string]string{
				"ClusterRoleBinding/vdi-system-vdi-operator .subjects": `[{"kind":"ServiceAccount","name":"desk","namespace":"vdi-system"}]`}},
		"coturn reads its node": {
			[]string{"coturn.externalAddress.mode=NodeExternalIP"},
			map[string]string{"ServiceAccount/vdi-coturn .kind": "ServiceAccount",
				"ClusterRole/" + coturn + " .rules[*].resources": `["nodes"]`, "ClusterRoleBinding/" + coturn + " .kind": "ClusterRoleBinding"}},
		"somebody else lets coturn read its node": {
			[]string{"coturn.externalAddress.mode=NodeExternalIP", "coturn.rbac.create=false"},
			map[string]string{"ServiceAccount/vdi-coturn .kind": "ServiceAccount", "ClusterRole/" + coturn + " .kind": "",
				"ClusterRoleBinding/" + coturn + " .kind": ""}},
	})
}

func TestTheProgramOnNodesMayAsLittleAsItNeeds(t *testing.T) {
	const set = "DaemonSet/vdi-node "
	const pod, container = set + ".spec.template.spec", set + ".spec.template.spec.containers[0]"
	asRoot := map[string]string{
		pod + ".hostPID": "", pod + ".hostNetwork": "", pod + ".hostIPC": "", container + ".securityContext.privileged": "",
		pod + ".securityContext":       `{"runAsGroup":0,"runAsUser":0,"seccompProfile":{"type":"RuntimeDefault"}}`,
		container + ".securityContext": `{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]},"readOnlyRootFilesystem":true}`,
		pod + ".volumes[*].hostPath":   `{"path":"/sys/fs/cgroup","type":"Directory"}`,
		// The key itself stays where it is.
		pod + ".volumes[?(@.name=='signing')].projected.sources": `[` +
			`{"secret":{"items":[{"key":"tls.crt","path":"tls.crt"}],"name":"vdi-signing-key"}},` +
			`{"secret":{"items":[{"key":"next.crt","path":"next.crt"},{"key":"former.crt","path":"former.crt"}],` +
			`"name":"vdi-signing-key","optional":true}}]`,
		pod + ".tolerations": `[{"operator":"Exists"}]`,
	}
	checkFields(t, map[string]fieldCase{
		"it is not there by default": {nil, map[string]string{set + ".kind": "", "ServiceAccount/vdi-node .kind": "", "NetworkPolicy/vdi-node .kind": "",
			"ClusterRole/vdi-system-vdi-node .kind": ""}},
		"root without any capability": {[]string{"doze.enabled=true"}, asRoot},
		"version 1 takes more": {[]string{"doze.enabled=true", "doze.cgroupV1=true"}, map[string]string{
			pod + ".hostPID": "true",
			container + ".securityContext.capabilities": `{"add":["SYS_PTRACE","SYS_NICE"],"drop":["ALL"]}`}},
		"but not where nothing is paged out": {[]string{"doze.enabled=true", "doze.cgroupV1=true", "doze.pageOut=false"}, asRoot},
		"pods' cgroups alone": {[]string{"doze.enabled=true", "doze.cgroupRoot=/sys/fs/cgroup/kubepods.slice"}, map[string]string{
			pod + ".volumes[*].hostPath.path": "/sys/fs/cgroup/kubepods.slice"}},
		"its own account": {[]string{"doze.enabled=true", "doze.serviceAccount.create=false", "doze.serviceAccount.name=mine"}, map[string]string{
			pod + ".serviceAccountName": "mine", "ServiceAccount/vdi-node .kind": "",
			"ClusterRoleBinding/vdi-system-vdi-node .subjects[0].name": "mine"}},
	})
}

func TestAProgramThatCrashesSaysWhyInItsPodsStatus(t *testing.T) {
	seen := 0
	for _, o := range objects(t)(template(t, "--values", values(t, "everything"), "--set", "uninstall.enabled=true,"+
		strings.Join(peopleSignIn, ",")+",doze.enabled=true")) {
		for _, spec := range [][]string{{"spec"}, {"spec", "template", "spec"}} {
			for _, kind := range []string{"initContainers", "containers"} {
				all, _, _ := unstructured.NestedSlice(o.Object, append(spec, kind)...)
				for _, c := range all {
					seen++
					assert.Equal(t, "FallbackToLogsOnError", c.(map[string]any)["terminationMessagePolicy"], "%s %s", o.GetKind(), o.GetName())
				}
			}
		}
	}
	assert.GreaterOrEqual(t, seen, 7, "operator, activator, portal, node, coturn, check and uninstall")
}

func TestImagesAreKeptOnNodesOnlyWhereAskedFor(t *testing.T) {
	const role, class, given = "Role/vdi-operator", "vdi-system-vdi-prepull", "PriorityClass/vdi-system-vdi-prepull .value"
	daemonSets := role + ` .rules[?(@.resources[0]=="daemonsets")].verbs`
	checkFields(t, map[string]fieldCase{
		"not by default": {nil, map[string]string{"ServiceAccount/vdi-prepull .kind": "", given: "", "NetworkPolicy/vdi-prepull .kind": "", daemonSets: ""}},
		"with what the pods need": {[]string{"prePull.enabled=true"}, map[string]string{
			"ServiceAccount/vdi-prepull .automountServiceAccountToken": "false", given: "-1000",
			"NetworkPolicy/vdi-prepull .spec.podSelector.matchLabels": `{"vdi.kasm.io/prepull":"vdi"}`,
			daemonSets: `["create","delete","get","list","patch","watch"]`}},
		"with a class of the cluster's": {[]string{"prePull.enabled=true", "prePull.priorityClassName=low"}, map[string]string{given: ""}},
		"without rights in the cluster": {[]string{"prePull.enabled=true", "watchNamespaces={vdi-system}", "rbac.clusterScoped=false", "crds.enabled=false",
			"selkies.enabled=false", "knative.applyConfig=false"}, map[string]string{given: "", "ServiceAccount/vdi-prepull .kind": "ServiceAccount"}},
	})
	said := func(set ...string) config.PrePull {
		all := objects(t)(template(t, append([]string{"--set", "prePull.enabled=true"}, set...)...))
		c, err := config.Parse([]byte(field(t, all, "ConfigMap/vdi-operator", `.data.config\.yaml`)))
		require.NoError(t, err)
		return c.PrePull
	}
	c := said("--set", "imagePullSecrets[0].name=ours")
	assert.Equal(t, "vdi-prepull", c.ServiceAccount)
	assert.Equal(t, class, c.PriorityClassName)
	assert.Equal(t, "ours", c.ImagePullSecrets[0].Name)
	assert.Contains(t, c.GPUNodeLabels, "nvidia.com/gpu.present")
	assert.Equal(t, config.Default().PrePull.MaxUnavailable, c.MaxUnavailable)
	assert.Equal(t, config.Default().PrePull.Resources, c.Resources)
	assert.Equal(t, int32(3), said("--set", "prePull.maxUnavailable=3").MaxUnavailable.IntVal)
	assert.Empty(t, said("--set-json", "prePull.gpuNodeLabels=[]").GPUNodeLabels)
}
