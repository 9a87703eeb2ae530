//go:build integration

package apiserver

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apitest"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/test/helm"
)

// right is a line such as "patch apps/deployments/scale in team-a named x": the group
// and a subresource are optional, "in" too where it is about the cluster or all of it.
type right string

func (r right) attributes(t *testing.T) *authorizationv1.ResourceAttributes {
	t.Helper()
	words := strings.Fields(string(r))
	a := &authorizationv1.ResourceAttributes{Verb: words[0], Version: "*"}
	parts := strings.Split(words[1], ":")
	if len(parts) == 2 {
		a.Group = parts[0]
	}
	a.Resource, a.Subresource, _ = strings.Cut(parts[len(parts)-1], "/")
	for i := 2; i+1 < len(words); i += 2 {
		switch words[i] {
		case "in":
			a.Namespace = words[i+1]
		case "named":
			a.Name = words[i+1]
		default:
			t.Fatalf("cannot read %q", r)
		}
	}
	return a
}

// may asks the API server, as `kubectl auth can-i --as` does.
func may(t *testing.T, user string, groups []string, r right) bool {
	t.Helper()
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user, Groups: groups, ResourceAttributes: r.attributes(t)}}
	require.NoError(t, admin.Create(t.Context(), review))
	return review.Status.Allowed
}

func expectRights(t *testing.T, account string, allowed, denied []right) {
	t.Helper()
	user := "system:serviceaccount:" + systemNamespace + ":" + account
	groups := []string{"system:serviceaccounts", "system:serviceaccounts:" + systemNamespace, "system:authenticated"}
	expectAllowed(t, account, allowed, func(r right) bool { return may(t, user, groups, r) })
	for _, r := range denied {
		assert.False(t, may(t, user, groups, r), "%s: %q is allowed", account, r)
	}
}

// expectAllowed waits until each right is there: the API server learns of new roles by a watch.
func expectAllowed(t *testing.T, who string, rights []right, may func(right) bool) {
	t.Helper()
	eventually.NoError(t, who+" to have its rights", func() error {
		if denied := slices.DeleteFunc(slices.Clone(rights), may); len(denied) > 0 {
			return fmt.Errorf("denied: %q", denied)
		}
		return nil
	})
}

const (
	operatorAccount, activatorAccount, portalAccount, nodeAccount = "vdi-operator", "vdi-activator", "vdi-portal", "vdi-node"
	// withPortal are the values with which people sign in at a portal.
	withPortal = "auth.oidc.issuer=https://login.example.com,auth.oidc.clientID=vdi"
	// elsewhere is a namespace that has no part in anything.
	elsewhere = "default"
)

// in gives each right in a namespace.
func in(namespace string, rights ...right) []right {
	var all []right
	for _, r := range rights {
		all = append(all, r+right(" in "+namespace))
	}
	return all
}

// besides is a list without some rights.
func besides(list []right, without ...right) []right {
	return slices.DeleteFunc(slices.Clone(list), func(r right) bool { return slices.Contains(without, r) })
}

func join(lists ...[]right) []right {
	var all []right
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

var (
	// operatorOfSessions is what the operator does where sessions are, either way.
	operatorOfSessions = []right{
		"list vdi.kasm.io:vdisessions", "watch vdi.kasm.io:vdisessions", "patch vdi.kasm.io:vdisessions", "patch vdi.kasm.io:vdisessions/status",
		"list pods", "watch pods", "create pods", "patch pods", "delete pods", "create secrets", "patch secrets", "delete secrets", "create services", "patch services", "create persistentvolumeclaims", "delete persistentvolumeclaims",
		"list apps:deployments", "create events", "create events.k8s.io:events", "create networking.k8s.io:networkpolicies",
		"delete networking.k8s.io:networkpolicies", "create policy:poddisruptionbudgets", "delete policy:poddisruptionbudgets",
	}
	operatorOnKnative = []right{
		"create serving.knative.dev:services", "delete serving.knative.dev:services", "patch apps:deployments/scale",
		"watch autoscaling.internal.knative.dev:podautoscalers", "patch autoscaling.internal.knative.dev:podautoscalers/status",
		"create networking.internal.knative.dev:serverlessservices", "patch networking.internal.knative.dev:ingresses/status",
	}
	// keysWork is what the operator does with the installation's keys.
	keysWork = in(systemNamespace, "get secrets named vdi-signing-key", "get secrets named vdi-turn", "get secrets named vdi-visits", "create secrets",
		"update secrets named vdi-signing-key", "update secrets named vdi-visits")
	// keysNever holds where sessions are elsewhere.
	keysNever = in(systemNamespace, "get secrets named vdi-signing-keys", "list secrets", "watch secrets", "update secrets named vdi-turn",
		"patch secrets named vdi-signing-key", "delete secrets named vdi-signing-key")
	// neverAllowed is what neither program may do.
	neverAllowed = join(
		[]right{
			"create vdi.kasm.io:vditemplates", "patch vdi.kasm.io:vditemplates", "delete vdi.kasm.io:vditemplates", "watch nodes", "patch nodes", "list namespaces", "create namespaces",
			"create rbac.authorization.k8s.io:clusterroles", "escalate rbac.authorization.k8s.io:clusterroles",
			"bind rbac.authorization.k8s.io:clusterroles",
			"impersonate users", "impersonate serviceaccounts", "impersonate vdi.kasm.io:vdisessions", "patch apiextensions.k8s.io:customresourcedefinitions",
			"list vdi.kasm.io:vdisignins", "watch vdi.kasm.io:vdisignins",
		},
		in("team-a", "create pods", "delete pods", "create pods/eviction", "create pods/exec", "create pods/portforward", "get pods/log",
			"create serviceaccounts/token",
			"list configmaps", "delete vdi.kasm.io:vdisessions", "create vdi.kasm.io:vdisessions",
			"create rbac.authorization.k8s.io:rolebindings", "create batch:jobs", "delete events"),
		in("kube-system", "patch configmaps", "create pods"),
		in("knative-serving", "delete configmaps named config-features", "patch configmaps named config-network",
			"patch configmaps named config-domain"),
		in(systemNamespace, "create pods", "patch apps:deployments"),
		in(elsewhere, signIns...),
	)
	// podsOfPools is of these what the operator does for warm pools, where it serves team-a.
	podsOfPools    = in("team-a", "create pods", "delete pods")
	podsEverywhere = join(podsOfPools, in("kube-system", "create pods"), in(systemNamespace, "create pods"))
	// signIns is what the portal does with them in its own namespace, readsSignIns what the activator does.
	signIns = join(readsSignIns, []right{"create vdi.kasm.io:vdisignins", "patch vdi.kasm.io:vdisignins", "delete vdi.kasm.io:vdisignins",
		"patch vdi.kasm.io:vdisignins/status", "update vdi.kasm.io:vdisignins/status"})
	readsSignIns   = []right{"get vdi.kasm.io:vdisignins", "list vdi.kasm.io:vdisignins", "watch vdi.kasm.io:vdisignins"}
	activatorsWork = []right{"get vdi.kasm.io:vdisessions", "list vdi.kasm.io:vdisessions", "watch vdi.kasm.io:vdisessions",
		"patch vdi.kasm.io:vdisessions/status", "list pods", "watch pods"}
	portalsWork = []right{"get vdi.kasm.io:vdisessions", "list vdi.kasm.io:vdisessions", "watch vdi.kasm.io:vdisessions",
		"create vdi.kasm.io:vdisessions", "patch vdi.kasm.io:vdisessions", "delete vdi.kasm.io:vdisessions"}
	readsTemplates = []right{"get vdi.kasm.io:vditemplates", "list vdi.kasm.io:vditemplates", "watch vdi.kasm.io:vditemplates"}
	portalsNever   = join(
		besides(neverAllowed, in("team-a", "create vdi.kasm.io:vdisessions", "delete vdi.kasm.io:vdisessions")...),
		in("team-a", "deletecollection vdi.kasm.io:vdisessions", "patch vdi.kasm.io:vdisessions/status", "update vdi.kasm.io:vdisessions/status",
			"update vdi.kasm.io:vdisessions/finalizers", "get secrets", "list secrets", "create secrets", "get pods", "list pods",
			"watch pods", "patch pods", "get persistentvolumeclaims", "create persistentvolumeclaims", "list services",
			"list serving.knative.dev:services", "patch apps:deployments/scale", "create events", "create coordination.k8s.io:leases"),
		in(systemNamespace, "deletecollection vdi.kasm.io:vdisignins", "get secrets", "list secrets", "get secrets named vdi-signing-key",
			"get secrets named vdi-portal", "get secrets named vdi-visits", "get pods", "list pods", "get configmaps",
			"create coordination.k8s.io:leases", "patch coordination.k8s.io:leases"),
		[]right{"patch vdi.kasm.io:vditemplates/status", "list secrets", "list pods", "list nodes"},
	)
	nodesWork  = []right{"list pods", "watch pods", "get vdi.kasm.io:vdisessions", "get coordination.k8s.io:leases named vdi-desktops"}
	nodesNever = join(neverAllowed,
		in("team-a", "get pods", "patch pods", "patch pods/status", "list vdi.kasm.io:vdisessions", "watch vdi.kasm.io:vdisessions",
			"patch vdi.kasm.io:vdisessions", "patch vdi.kasm.io:vdisessions/status", "get secrets", "list secrets", "create events",
			"get coordination.k8s.io:leases", "patch coordination.k8s.io:leases named vdi-desktops"),
		in(systemNamespace, "get secrets named vdi-signing-key", "get secrets", "get configmaps", "patch coordination.k8s.io:leases"),
		[]right{"list nodes", "get nodes", "list vdi.kasm.io:vditemplates", "list secrets"})
	activatorsNever = join(
		in("team-a", "patch vdi.kasm.io:vdisessions", "update vdi.kasm.io:vdisessions/status", "get secrets", "list secrets",
			"get persistentvolumeclaims", "patch pods",
			"list serving.knative.dev:services", "patch apps:deployments/scale", "create events"),
		in(systemNamespace, "get secrets named vdi-signing-key", "get secrets named vdi-turn", "get secrets named vdi-visits",
			"get secrets named vdi-portal", "get coordination.k8s.io:leases", "update coordination.k8s.io:leases", "delete coordination.k8s.io:leases", "get configmaps"),
		in(systemNamespace, besides(signIns, readsSignIns...)...),
		in("team-a", "create coordination.k8s.io:leases", "patch coordination.k8s.io:leases"),
		[]right{"list vdi.kasm.io:vditemplates", "patch vdi.kasm.io:vditemplates/status", "list nodes"},
	)
	lease = in(systemNamespace, "get coordination.k8s.io:leases named vdi-operator", "create coordination.k8s.io:leases",
		"update coordination.k8s.io:leases named vdi-operator", "list coordination.k8s.io:leases", "watch coordination.k8s.io:leases")
	// operatorsUninstall and sessionsUninstall are what `operator uninstall` does besides.
	operatorsUninstall = in(systemNamespace, "get apps:deployments named vdi-operator", "patch apps:deployments/scale named vdi-activator", "list pods",
		"delete coordination.k8s.io:leases named vdi-operator", "delete configmaps named vdi-status", "list secrets")
	sessionsUninstall = []right{"list vdi.kasm.io:vdisessions", "patch vdi.kasm.io:vdisessions", "delete secrets", "list networking.k8s.io:networkpolicies",
		"delete networking.k8s.io:networkpolicies", "list policy:poddisruptionbudgets", "delete policy:poddisruptionbudgets",
		"delete serving.knative.dev:services", "delete apps:deployments", "list persistentvolumeclaims"}
	// activatorsLease is what it needs for its own; which that is, a policy says.
	activatorsLease = in(systemNamespace, "create coordination.k8s.io:leases", "patch coordination.k8s.io:leases")
)

// install creates the roles of an installation; those of its hooks are there only while
// Helm runs one.
func install(t *testing.T, flags ...string) {
	t.Helper()
	roles := ofGroup(rendered(t, systemNamespace, flags...), rbacv1.GroupName)
	create(t, admin, slices.DeleteFunc(roles, func(o *unstructured.Unstructured) bool {
		_, hook := o.GetAnnotations()["helm.sh/hook"]
		return hook
	})...)
}

func TestRightsEverywhere(t *testing.T) {
	install(t)
	expectRights(t, operatorAccount, join(lease, operatorOfSessions, in("team-a", operatorOfSessions...), operatorOnKnative,
		[]right{"list vdi.kasm.io:vditemplates", "watch vdi.kasm.io:vditemplates", "patch vdi.kasm.io:vditemplates/status"},
		in("knative-serving", "list configmaps", "watch configmaps", "patch configmaps named config-features",
			"patch configmaps named config-autoscaler"),
	), join(besides(neverAllowed, podsEverywhere...),
		// Knative makes them.
		in("team-a", "create apps:deployments", "patch apps:deployments"),
		in("kube-system", "get coordination.k8s.io:leases", "list configmaps"),
		in("team-a", "get namespaces named team-a"), // no right of its own ends with one
	))
	expectRights(t, activatorAccount, join(activatorsLease, activatorsWork, in("team-a", activatorsWork...)), join(neverAllowed, activatorsNever))
}

// Whose session it is, the portal decides; where sessions are, the chart does.
func TestThePortalMayWhatItsPagesDo(t *testing.T) {
	for name, c := range map[string]struct {
		flags       []string
		may, mayNot []right
	}{
		"everywhere": {nil, join(portalsWork, in(elsewhere, portalsWork...)), nil},
		"in watched namespaces": {[]string{"--values", values("watched-namespaces")}, in("team-b", portalsWork...),
			join(portalsWork, in(elsewhere, portalsWork...))},
	} {
		t.Run(name, func(t *testing.T) {
			install(t, append(c.flags, "--set", withPortal)...)
			expectRights(t, portalAccount, join(c.may, in("team-a", portalsWork...), readsTemplates, in(systemNamespace, signIns...)),
				join(portalsNever, c.mayNot))
			expectRights(t, activatorAccount, join(activatorsLease, in("team-a", activatorsWork...), in(systemNamespace, readsSignIns...)),
				join(neverAllowed, activatorsNever))
			expectRights(t, operatorAccount, join(lease, in(systemNamespace, "get secrets named vdi-portal")), in(systemNamespace, signIns...))
		})
	}
}

func TestTheProgramOnNodesSeesPodsAndAsksSessions(t *testing.T) {
	for name, c := range map[string]struct {
		flags       []string
		may, mayNot []right
	}{
		"everywhere": {nil, join(nodesWork, in(elsewhere, nodesWork...)), nil},
		"in watched namespaces": {[]string{"--values", values("watched-namespaces")}, in("team-b", nodesWork...),
			join(nodesWork, in(elsewhere, nodesWork...))},
	} {
		t.Run(name, func(t *testing.T) {
			install(t, append(c.flags, "--set", "doze.enabled=true")...)
			expectRights(t, nodeAccount, join(c.may, in("team-a", nodesWork...)), join(nodesNever, c.mayNot))
			// Who finds the programs by their pods.
			expectRights(t, operatorAccount, in(systemNamespace, "list pods", "watch pods"), in("kube-system", "patch configmaps"))
		})
	}
}

func TestWithoutAPortalNobodyReadsSignIns(t *testing.T) {
	install(t)
	expectRights(t, operatorAccount, lease, in(systemNamespace, signIns...))
	expectRights(t, activatorAccount, activatorsLease, in(systemNamespace, signIns...))
	expectRights(t, portalAccount, nil, join(in(systemNamespace, signIns...), in("team-a", portalsWork...), readsTemplates))
}

// Helm makes a hook's objects before anything runs: none may need a namespace of sessions, which
// may be gone by then. What the hook does there is the operator's right.
func TestTheUninstallNeedsNoNamespaceOfSessions(t *testing.T) {
	var hooks []*unstructured.Unstructured
	for _, o := range ofGroup(rendered(t, systemNamespace, "--values", values("watched-namespaces"), "--set", "watchNamespaces={team-a,gone},uninstall.enabled=true"), rbacv1.GroupName) {
		switch _, hook := o.GetAnnotations()["helm.sh/hook"]; {
		case hook:
			hooks = append(hooks, o)
		case o.GetNamespace() != "gone":
			create(t, admin, o)
		}
	}
	create(t, admin, hooks...)
	expectRights(t, operatorAccount, join(operatorsUninstall, in("team-a", sessionsUninstall...),
		[]right{"get namespaces named gone", "get namespaces named team-a"}),
		join(besides(neverAllowed, podsOfPools...), in(elsewhere, sessionsUninstall...), []right{right("get namespaces named " + elsewhere)}))
}

func TestTheUninstallMayWhatItDoes(t *testing.T) {
	for _, set := range []string{"default", "deployments"} {
		t.Run(set, func(t *testing.T) {
			create(t, admin, ofGroup(rendered(t, systemNamespace, "--values", values(set), "--set", "uninstall.enabled=true"), rbacv1.GroupName)...)
			expectRights(t, operatorAccount, join(operatorsUninstall, in("team-a", sessionsUninstall...)), nil)
		})
	}
}

func TestTheOperatorReadsNoKeyThatOthersMake(t *testing.T) {
	install(t, "--values", values("watched-namespaces"), "--set", "auth.signingKey.existingSecret=link-key,turn.existingSecret=shared")
	// Those of visits it makes all the same.
	expectRights(t, operatorAccount, in(systemNamespace, "get secrets named link-key", "get secrets named vdi-visits", "create secrets"),
		append(in(systemNamespace, "update secrets named link-key", "update secrets named vdi-signing-key", "get secrets named shared", "get secrets named vdi-signing-key", "get secrets named vdi-turn"), keysNever...))
}

func TestRightsInWatchedNamespacesEndThere(t *testing.T) {
	install(t, "--values", values("watched-namespaces"))
	expectRights(t, operatorAccount, join(lease, keysWork, in("team-a", operatorOfSessions...), in("team-b", operatorOfSessions...),
		in("team-a", operatorOnKnative...), in("team-a", "get namespaces named team-a"),
		[]right{"list vdi.kasm.io:vditemplates", "patch vdi.kasm.io:vditemplates/status"},
		in("knative-serving", "patch configmaps named config-features", "create events"),
	), join(besides(neverAllowed, podsOfPools...), keysNever, operatorOnKnative, in(elsewhere, operatorOfSessions...), in(elsewhere, operatorOnKnative...),
		in(elsewhere, right("get namespaces named "+elsewhere)),
		[]right{"list secrets", "get secrets", "list pods", "list vdi.kasm.io:vdisessions"},
		in("kube-system", "get secrets", "list pods"), in(systemNamespace, "get secrets", "list vdi.kasm.io:vdisessions"),
		in("knative-serving", "get secrets", "list pods")))
	expectRights(t, activatorAccount, join(activatorsLease, in("team-a", activatorsWork...), in("team-b", activatorsWork...),
		// It finds coturn by its pods.
		in(systemNamespace, "list pods", "watch pods"),
	), join(neverAllowed, activatorsNever, activatorsWork, in(elsewhere, activatorsWork...), in(systemNamespace,
		"list vdi.kasm.io:vdisessions")))
}

// Whoever makes a DaemonSet makes pods on every node: the right ends at the release's namespace.
func TestTheOperatorMakesDaemonSetsOnlyInItsNamespaceAndOnlyToKeepImages(t *testing.T) {
	work := in(systemNamespace, "list apps:daemonsets", "watch apps:daemonsets", "create apps:daemonsets", "patch apps:daemonsets", "delete apps:daemonsets",
		"get serviceaccounts", "list pods")
	without := besides(work, in(systemNamespace, "list pods")...)
	t.Run("off", func(t *testing.T) {
		install(t)
		expectRights(t, operatorAccount, lease, without)
	})
	t.Run("on", func(t *testing.T) {
		install(t, "--values", values("watched-namespaces"), "--set", "prePull.enabled=true")
		expectRights(t, operatorAccount, work, join(besides(neverAllowed, podsOfPools...), in("team-a", "create apps:daemonsets", "list apps:daemonsets"), []right{"list apps:daemonsets"},
			in(systemNamespace, "create serviceaccounts", "create serviceaccounts/token", "watch pods")))
	})
}

// Without Knative desktops are Deployments, which the operator changes wherever sessions may be.
func TestWithoutKnativeItsObjectsAreLeftAlone(t *testing.T) {
	install(t, "--values", values("deployments"))
	expectRights(t, operatorAccount, join(operatorOfSessions,
		// What is left from before goes.
		in("team-a", "list serving.knative.dev:services", "delete serving.knative.dev:services"),
	), join(besides(neverAllowed, append(in(systemNamespace, "patch apps:deployments"), podsEverywhere...)...),
		in("team-a", "create serving.knative.dev:services", "patch serving.knative.dev:services",
			"list autoscaling.internal.knative.dev:podautoscalers",
			"create networking.internal.knative.dev:serverlessservices", "patch networking.internal.knative.dev:ingresses/status"),
		in("knative-serving", "list configmaps", "patch configmaps named config-features"),
	))
}

func TestKnativesConfigurationIsLeftAloneIfToldSo(t *testing.T) {
	install(t, "--set", "knative.applyConfig=false")
	expectRights(t, operatorAccount, in("team-a", operatorOnKnative...),
		in("knative-serving", "list configmaps", "get configmaps named config-features", "patch configmaps named config-features"))
}

func TestPeopleGetSessionsWithKubernetesOwnRoles(t *testing.T) {
	install(t, "--set", withPortal)
	for role, c := range map[string]struct{ may, mayNot []right }{
		"view": {in("team-a", "list vdi.kasm.io:vdisessions", "get vdi.kasm.io:vdisessions/status"),
			in("team-a", "create vdi.kasm.io:vdisessions", "patch vdi.kasm.io:vdisessions/status")},
		"edit": {in("team-a", "create vdi.kasm.io:vdisessions", "delete vdi.kasm.io:vdisessions", "list vdi.kasm.io:vdisessions"),
			join(in("team-a", "patch vdi.kasm.io:vdisessions/status"), in("team-a", signIns...), []right{"create vdi.kasm.io:vditemplates"})},
		// A sign-in says who somebody is, and whether they administer.
		"admin": {in("team-a", "create vdi.kasm.io:vdisessions"), in("team-a", signIns...)},
	} {
		user := give(t, role, "team-a")
		theirs := func(r right) bool { return may(t, user, []string{"system:authenticated"}, r) }
		expectAllowed(t, role, c.may, theirs)
		for _, r := range join(c.mayNot, in("team-b", c.may...)) {
			assert.False(t, theirs(r), "%s: %q is allowed", role, r)
		}
	}
}

// A role in a namespace shows nothing of the cluster: a binding in the cluster does.
func TestWhoMakesSessionsCanBeShownTemplates(t *testing.T) {
	install(t)
	user := give(t, "edit", "team-a")
	theirs := func(r right) bool { return may(t, user, []string{"system:authenticated"}, r) }
	assert.False(t, theirs("list vdi.kasm.io:vditemplates"))
	binding := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "vdi-templates"},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "vdi-system-vdi-templates"},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}}}
	require.NoError(t, admin.Create(t.Context(), binding))
	t.Cleanup(func() { _ = admin.Delete(withoutEnd(t), binding) })
	expectAllowed(t, "edit", []right{"list vdi.kasm.io:vditemplates", "get vdi.kasm.io:vditemplates"}, theirs)
	assert.False(t, theirs("patch vdi.kasm.io:vditemplates"))
}

// Somebody whose rights end at their namespace installs all that the chart renders, in
// a cluster whose administrator has prepared it.
func TestAnInstallationByANamespacesAdministrator(t *testing.T) {
	create(t, admin, fromFile(t, filepath.Join(root, "config", "rbac", "prerequisites.yaml"))...)
	serving, err := apitest.Module("knative.dev/serving")
	require.NoError(t, err)
	create(t, admin, fromFile(t, filepath.Join(serving, "config", "core", "200-roles", "clusterrole-namespaced.yaml"))...)
	user := give(t, "admin", systemNamespace)
	as, err := client.New(impersonating(user), client.Options{Scheme: clientgoscheme.Scheme})
	require.NoError(t, err)
	for name, more := range map[string][]string{
		"on Knative":     nil,
		"on Deployments": {"--set", "knative.enabled=false"},
		"with all of it": {"--set", "activator.autoscaling.enabled=true,operator.replicas=2,ingress.enabled=true"},
	} {
		t.Run(name, func(t *testing.T) {
			objects := rendered(t, systemNamespace, append([]string{"--values", values("one-namespace")}, more...)...)
			for _, o := range objects {
				assert.Equal(t, systemNamespace, o.GetNamespace(), "%s %s is not in the release's namespace", o.GetKind(), o.GetName())
			}
			create(t, as, objects...)
			expectRights(t, operatorAccount, join(lease, in(systemNamespace, operatorOfSessions...), []right{"list vdi.kasm.io:vditemplates"},
				in(systemNamespace, right("get namespaces named "+systemNamespace))),
				join(in("team-a", operatorOfSessions...), operatorOfSessions, in("knative-serving", "list configmaps"),
					// The templates are everybody's.
					[]right{"patch vdi.kasm.io:vditemplates/status"}))
			expectRights(t, activatorAccount, join(activatorsLease, in(systemNamespace, activatorsWork...)), join(activatorsWork, in("team-a", activatorsWork...)))
		})
	}
	t.Run("by Helm", func(t *testing.T) {
		r := installed(t, systemNamespace)
		asUser := func(args ...string) error {
			_, err := r.Helm(t.Context(), append(args, "--kube-as-user", user, "--kube-as-group", "system:authenticated")...)
			return err
		}
		require.NoError(t, asUser("install", r.Name, helm.Chart, "--values", values("one-namespace")))
		assert.NoError(t, asUser("upgrade", r.Name, helm.Chart, "--values", values("one-namespace"), "--set", "operator.replicas=2"))
		assert.NoError(t, asUser("uninstall", r.Name, "--no-hooks"))
	})
	// Without what the administrator prepared, the rights are not theirs to hand on.
	stranger := give(t, "view", systemNamespace)
	asStranger, err := client.New(impersonating(stranger), client.Options{Scheme: clientgoscheme.Scheme})
	require.NoError(t, err)
	for _, o := range ofGroup(rendered(t, systemNamespace, "--values", values("one-namespace")), rbacv1.GroupName) {
		assert.Error(t, asStranger.Create(t.Context(), o.DeepCopy(), client.DryRunAll),
			"%s %s was created with the rights of view", o.GetKind(), o.GetName())
	}
}

func impersonating(user string) *rest.Config {
	c := rest.CopyConfig(config)
	c.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: []string{"system:authenticated"}}
	return c
}

// give binds one of Kubernetes' roles for people to a new user in a namespace. What the
// role is made of the controller manager adds up, which does not run here: the sum is
// made here, by the same labels.
func give(t *testing.T, role, namespace string) (user string) {
	t.Helper()
	user = fmt.Sprintf("%s-of-%s", role, namespace)
	var sum []rbacv1.PolicyRule
	levels := []string{"view"}
	switch role {
	case "edit":
		levels = []string{"view", "edit"}
	case "admin":
		levels = []string{"view", "edit", "admin"}
	}
	for _, level := range levels {
		var parts rbacv1.ClusterRoleList
		if err := admin.List(t.Context(), &parts, client.MatchingLabels{"rbac.authorization.k8s.io/aggregate-to-" + level: "true"}); err != nil {
			t.Fatal(err)
		}
		for i := range parts.Items {
			sum = append(sum, parts.Items[i].Rules...)
		}
	}
	meta := metav1.ObjectMeta{Name: user, Namespace: namespace}
	for _, o := range []client.Object{
		&rbacv1.Role{ObjectMeta: meta, Rules: sum},
		&rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: user},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}}},
	} {
		require.NoError(t, admin.Create(t.Context(), o))
		t.Cleanup(func() { _ = admin.Delete(withoutEnd(t), o) })
	}
	return user
}

func fromFile(t *testing.T, path string) []*unstructured.Unstructured {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	objects, err := helm.Objects(string(text))
	require.NoError(t, err)
	return objects
}
