package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/org/vdi-operator/activator/auth"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/claims"
	"github.com/org/vdi-operator/pkg/token"
	"github.com/org/vdi-operator/pkg/token/tokentest"
)

// run runs the plugin against a cluster that holds these objects, with the
// namespace "desktops" in the kubeconfig.
func run(t *testing.T, args []string, objects ...client.Object) (out, errOut string, err error) {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		require.NoError(t, add(scheme))
	}
	for _, namespace := range []string{"vdi-system", "elsewhere"} {
		objects = append(objects, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "vdi-operator", Labels: operatorLabels},
			Data: map[string]string{"config.yaml": "url: {domain: vdi.example.com, port: 8443}\nnewer: {than: this}\n"}})
	}
	return runWith(t, fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithIndex(&corev1.Event{}, "involvedObject.uid",
		func(o client.Object) []string { return []string{string(o.(*corev1.Event).InvolvedObject.UID)} }).Build(), args)
}

// opened are the addresses that a test's browser was sent to.
var opened []string

// runWith runs the plugin against a cluster that stays.
func runWith(t *testing.T, c client.Client, args []string) (out, errOut string, err error) {
	t.Helper()
	var o, e bytes.Buffer
	cmd := newCommandFor(&plugin{IOStreams: genericiooptions.IOStreams{Out: &o, ErrOut: &e}, now: time.Now,
		client: func() (client.Client, string, error) { return c, "desktops", nil },
		browse: func(_ context.Context, address string) error { opened = append(opened, address); return nil },
		logs: func(_ context.Context, namespace, pod string, which *corev1.PodLogOptions) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(fmt.Sprintf("%s/%s %s follow=%v tail=%v\n", namespace, pod, which.Container, which.Follow, ptr.Deref(which.TailLines, -1)))), nil
		}})
	cmd.SetArgs(args)
	err = cmd.ExecuteContext(t.Context())
	return o.String(), e.String(), err
}

func session(namespace, name string) *v1alpha1.VDISession {
	s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: "1"}}
	s.Spec.User, s.Spec.Template = name+"@example.com", "kde"
	s.Status.URL = "https://" + name + "--" + namespace + ".vdi.example.com:8443/"
	return s
}

func signingSecret(t *testing.T, name string) (*corev1.Secret, *token.Verifier) {
	t.Helper()
	raw, err := tokentest.NewKey()
	require.NoError(t, err)
	signer, err := token.NewSigner(raw)
	require.NoError(t, err)
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "vdi-system", Name: name, Labels: map[string]string{v1alpha1.LabelSigningKey: "true"}},
		Data: map[string][]byte{corev1.TLSPrivateKeyKey: raw}}, signer.Verifier()
}

func TestALinkOpensItsSessionForAsLongAsAsked(t *testing.T) {
	alice := session("desktops", "alice")
	secret, verifier := signingSecret(t, "signing")
	for _, tc := range []struct {
		args []string
		ttl  time.Duration
	}{{[]string{"link", "alice"}, 8 * time.Hour}, {[]string{"link", "alice", "--ttl", "90m"}, 90 * time.Minute}} {
		began := time.Now()
		out, _, err := run(t, tc.args, alice, secret)
		ended := time.Now()
		require.NoError(t, err)
		u, err := url.Parse(strings.TrimSuffix(out, "\n"))
		if err != nil || u.Host != "alice--desktops.vdi.example.com:8443" || u.Path != "/" || len(u.Query()) != 1 {
			t.Fatalf("link = %s, %v", out, err)
		}
		sub, expires, err := verifier.Verify(token.AudienceSession, u.Query().Get(auth.QueryParameter), time.Now())
		require.NoError(t, err)
		assert.NoError(t, sub.Opens(alice), "the link does not open the session, %+v", sub)
		// A token's times are whole seconds, and the link was made between two looks at the clock.
		earliest, latest := began.Add(tc.ttl-time.Second), ended.Add(tc.ttl+time.Second)
		require.False(t, expires.Before(earliest))
		assert.False(t, expires.After(latest), "the link works until %s, want %s from its making", expires, tc.ttl)
	}
}

func TestTheSigningKeyMayBeInAnotherNamespace(t *testing.T) {
	secret, _ := signingSecret(t, "signing")
	secret.Namespace = "elsewhere"
	out, _, err := run(t, []string{"link", "alice", "--system-namespace", "elsewhere"}, session("desktops", "alice"), secret)
	require.NoError(t, err)
	assert.NotEmpty(t, out)
}

// watching is the configuration of the installation in namespace other, which serves these.
func watching(namespaces ...string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "other", Name: "vdi-operator", Labels: operatorLabels},
		Data: map[string]string{"config.yaml": "url: {domain: other.example.com}\nnamespaces: [" + strings.Join(namespaces, ", ") + "]\n"}}
}

// claimed is a namespace that the installation other/vdi has.
func claimed(namespace string) *coordinationv1.Lease {
	holder := "other/vdi"
	return &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: claims.Name}, Spec: coordinationv1.LeaseSpec{HolderIdentity: &holder}}
}

func TestALinkIsOfTheInstallationThatServesTheSession(t *testing.T) {
	ours, _ := signingSecret(t, "signing")
	theirs, verifier := signingSecret(t, "signing")
	alice := session("desktops", "alice")
	out, _, err := run(t, []string{"link", "alice"}, alice, ours, in("other", theirs), watching("desktops"), claimed("desktops"))
	require.NoError(t, err)
	u, err := url.Parse(strings.TrimSpace(out))
	require.NoError(t, err)
	assert.Equal(t, "alice--desktops.other.example.com", u.Host)
	_, _, err = verifier.Verify(token.AudienceSession, u.Query().Get(auth.QueryParameter), time.Now())
	require.NoError(t, err)
}

func TestAListSaysWhatNobodyServesAnyMore(t *testing.T) {
	alice, bob := session("desktops", "alice"), session("team-a", "bob")
	_, errOut, err := run(t, []string{"list", "-A"}, alice, bob, watching("team-a"), claimed("desktops"), claimed("team-a"))
	require.NoError(t, err)
	assert.Equal(t, "No installation serves namespace desktops any more: what is shown of its sessions is old, and no link opens them. "+
		"Add it to watchNamespaces again, or hand it over: docs/operations/several-installations.md#a-namespace-that-changes-hands\n", errOut)
}

func in(namespace string, secret *corev1.Secret) *corev1.Secret {
	secret = secret.DeepCopy()
	secret.Namespace = namespace
	return secret
}

func TestALinkLeadsWhereTheInstallationIs(t *testing.T) {
	secret, _ := signingSecret(t, "signing")
	alice := session("desktops", "alice")
	alice.Status.URL = "https://evil.example/"
	out, _, err := run(t, []string{"link", "alice"}, alice, secret)
	require.NoError(t, err)
	assert.Contains(t, out, "https://alice--desktops.vdi.example.com:8443/?")
}

func TestWhyThereIsNoLink(t *testing.T) {
	secret, _ := signingSecret(t, "signing")
	second, _ := signingSecret(t, "another")
	broken, _ := signingSecret(t, "broken")
	broken.Data = map[string][]byte{corev1.TLSPrivateKeyKey: []byte("no key")}
	unlabelled, _ := signingSecret(t, "unlabelled")
	unlabelled.Labels = nil
	noURL := session("desktops", "alice")
	noURL.Status.URL = ""
	alice := session("desktops", "alice")
	for name, tc := range map[string]struct {
		args    []string
		objects []client.Object
		says    string
	}{
		"no session":          {[]string{"link", "alice"}, []client.Object{secret}, "namespace desktops has no session alice: kubectl vdi list -A shows all"},
		"another namespace's": {[]string{"link", "alice"}, []client.Object{session("others", "alice"), secret}, "namespace desktops has no session alice: kubectl vdi list -A shows all"},
		"no URL yet":          {[]string{"link", "alice"}, []client.Object{noURL, secret}, "has no URL yet: is the operator running?"},
		"no installation": {[]string{"link", "alice", "--system-namespace", "nowhere"}, []client.Object{alice, in("nowhere", secret)},
			"holds 0 ConfigMaps"},
		"no signing key":      {[]string{"link", "alice"}, []client.Object{alice, unlabelled}, "holds 0 Secrets"},
		"two signing keys":    {[]string{"link", "alice"}, []client.Object{alice, secret, second}, "holds 2 Secrets"},
		"a key that is none":  {[]string{"link", "alice"}, []client.Object{alice, broken}, "secret vdi-system/broken"},
		"a ttl of nothing":    {[]string{"link", "alice", "--ttl", "0s"}, []client.Object{alice, secret}, "must be above zero and 8760h0m0s or less, such as 8h"},
		"a ttl below nothing": {[]string{"link", "alice", "--ttl", "-1h"}, []client.Object{alice, secret}, "must be above zero and 8760h0m0s or less, such as 8h"},
		"a ttl of centuries":  {[]string{"link", "alice", "--ttl", "100000h"}, []client.Object{alice, secret}, "--ttl 100000h0m0s: must be above zero and 8760h0m0s or less"},
		"a ttl that is none":  {[]string{"link", "alice", "--ttl", "soon"}, []client.Object{alice, secret}, "--ttl"},
		"a namespace that is not watched": {[]string{"link", "alice", "--system-namespace", "other"},
			[]client.Object{alice, in("other", secret), watching("team-a", "team-b")},
			"no link would open a session of namespace desktops: the installation in namespace other serves the sessions of team-a, team-b, not of desktops"},
		"a namespace that is watched no more": {[]string{"link", "alice"},
			[]client.Object{alice, in("other", secret), watching("team-a"), claimed("desktops")},
			"add that to its watchNamespaces"},
		"another installation's": {[]string{"link", "alice", "--system-namespace", "vdi-system"},
			[]client.Object{alice, secret, in("other", secret), watching("desktops"), claimed("desktops")},
			"are served by the installation in namespace other, whose links alone open them, and --system-namespace is vdi-system: leave it out"},
		"nothing named":            {[]string{"link"}, nil, "name one session, not 0: kubectl vdi link"},
		"a command that is none":   {[]string{"unlink"}, nil, "unknown command"},
		"a name where none is due": {[]string{"list", "alice"}, nil, "alice"},
	} {
		t.Run(name, func(t *testing.T) {
			out, _, err := run(t, tc.args, tc.objects...)
			require.Error(t, err)
			require.Contains(t, err.Error(), tc.says)
			assert.Empty(t, out, "printed %q with %v, want nothing but %q", out, err, tc.says)
		})
	}
}

func TestALinkToNoDesktopSaysSo(t *testing.T) {
	secret, _ := signingSecret(t, "signing")
	for name, tc := range map[string]struct {
		change func(*v1alpha1.VDISession)
		says   string
	}{
		"awake": {func(s *v1alpha1.VDISession) { s.Status.Phase = v1alpha1.PhaseRunning }, ""},
		"asleep": {func(s *v1alpha1.VDISession) {
			s.Status.Phase, s.Status.Message = v1alpha1.PhaseAsleep, "A visit wakes it."
		}, ""},
		"switched off": {func(s *v1alpha1.VDISession) { s.Spec.Power, s.Status.Phase = v1alpha1.PowerOff, v1alpha1.PhaseAsleep },
			"is switched off, and the link opens no desktop before that ends: kubectl patch vdi alice --namespace desktops "},
		"failed": {func(s *v1alpha1.VDISession) {
			s.Status.Phase, s.Status.Message = v1alpha1.PhaseFailed, "No image.\nVisit it to try again."
		}, "session desktops/alice is Failed: No image. Visit it to try again."},
	} {
		t.Run(name, func(t *testing.T) {
			alice := session("desktops", "alice")
			tc.change(alice)
			out, errOut, err := run(t, []string{"link", "alice"}, alice, secret)
			require.NoError(t, err)
			assert.Regexp(t, `^https://[^ \n]+\n$`, out, "nothing but the link is printed to where it is read from")
			assert.Equal(t, tc.says == "", errOut == "", errOut)
			assert.Contains(t, errOut, tc.says)
		})
	}
}

func TestAListShowsSessionsInAPhase(t *testing.T) {
	alice, bob, eve := session("desktops", "alice"), session("desktops", "bob"), session("desktops", "eve")
	alice.Status.Phase, alice.Status.Message = v1alpha1.PhaseFailed, "The image\ncannot be pulled."
	bob.Status.Phase = v1alpha1.PhaseRunning
	out, _, err := run(t, []string{"list", "--phase", "Failed,Pending"}, alice, bob, eve)
	require.NoError(t, err)
	assert.NotContains(t, out, "bob")
	assert.Regexp(t, `(?m)^desktops +alice .* Failed .* The image cannot be pulled\.$`, out)
	assert.Regexp(t, `(?m)^desktops +eve .* Pending `, out, "no operator has seen it")
	_, _, err = run(t, []string{"list", "--phase", "Broken"}, alice)
	assert.EqualError(t, err, "--phase Broken: is no phase; those are Pending, Creating, Running, Dozing, Asleep, Failed, Terminating")
}

func TestAListIsPrintedAsKubectlDoes(t *testing.T) {
	alice, bob := session("desktops", "alice"), session("desktops", "bob")
	bob.Status.Phase = v1alpha1.PhaseFailed
	for output, want := range map[string]string{
		"json": `"kind": "VDISession"`, "yaml": "kind: VDISession\n", "name": "vdisession.vdi.kasm.io/bob\n", "jsonpath={.items[*].metadata.name}": "bob",
	} {
		out, _, err := run(t, []string{"list", "--phase", "Failed", "-o", output}, alice, bob)
		require.NoError(t, err, output)
		assert.Contains(t, out, want)
		assert.NotContains(t, out, "alice", output)
	}
	out, errOut, err := run(t, []string{"list", "-o", "json"})
	require.NoError(t, err)
	assert.Contains(t, out, `"items": []`, "nobody is a list too")
	assert.Empty(t, errOut)
	_, _, err = run(t, []string{"list", "-o", "table"}, alice)
	assert.ErrorContains(t, err, "allowed formats are")
}

func TestAListShowsWhoIsThere(t *testing.T) {
	alice, bob := session("desktops", "alice"), session("others", "bob")
	alice.Status.Phase = v1alpha1.PhaseRunning
	alice.Status.StartTime = &metav1.MicroTime{Time: time.Now().Add(-3 * time.Hour)}
	alice.Status.Activity = &v1alpha1.SessionActivity{LastConnectedTime: &metav1.MicroTime{Time: time.Now().Add(-5 * time.Minute)}}
	bob.Status.Phase = v1alpha1.PhaseAsleep

	out, _, err := run(t, []string{"list"}, alice, bob)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 2 || strings.Join(strings.Fields(lines[1]), " ") !=
		"desktops alice alice@example.com kde Running - 5m 3h https://alice--desktops.vdi.example.com:8443/" {
		t.Errorf("list:\n%s", out)
	}
	out, _, err = run(t, []string{"list", "-A"}, alice, bob)
	require.NoError(t, err)
	assert.Contains(t, strings.Join(strings.Fields(out), " "), "others bob bob@example.com kde Asleep - - - https://bob",
		"list of all, %s", out)
	out, errOut, err := run(t, []string{"list"}, bob)
	require.NoError(t, err)
	require.Empty(t, out)
	assert.Contains(t, errOut, "-A", "an empty list printed")
}

func TestAListShowsWhatAStartWaitsFor(t *testing.T) {
	waits := map[string]*v1alpha1.SessionWaiting{
		"WaitingForGPU nvidia.com/gpu":        {Reason: v1alpha1.ReasonWaitingForGPU, Resource: "nvidia.com/gpu"},
		"ImagePullFailed example.com/kde:1.0": {Reason: v1alpha1.ReasonImagePullFailed, Image: "example.com/kde:1.0"},
		"Starting":                            {Reason: v1alpha1.ReasonStarting},
	}
	for want, waiting := range waits {
		alice := session("desktops", "alice")
		alice.Status.Phase, alice.Status.Waiting = v1alpha1.PhaseCreating, waiting
		out, _, err := run(t, []string{"list"}, alice)
		require.NoError(t, err)
		require.Contains(t, strings.Join(strings.Fields(out), " "), "PHASE WAITING FOR LAST SEEN")
		assert.Contains(t, strings.Join(strings.Fields(out), " "), "Creating "+want+" - - https://alice", "want %q, %s", want, out)
	}
}

func TestTheCommandTakesKubectlsFlags(t *testing.T) {
	cmd := newCommand(genericiooptions.NewTestIOStreamsDiscard())
	for _, flag := range []string{"namespace", "context", "kubeconfig"} {
		assert.NotNil(t, cmd.PersistentFlags().Lookup(flag), "--%s is not known", flag)
	}
}

func TestTheSigningKeyIsTheOneThatTheInstallationUses(t *testing.T) {
	used, verifier := signingSecret(t, "used")
	used.Labels = nil
	former, _ := signingSecret(t, "former")
	installed := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "third", Name: "vdi-operator", Labels: operatorLabels},
		Data: map[string]string{"config.yaml": "url: {domain: vdi.example.com}\nkeys: {signing: {secret: used, make: false}}\n"}}
	link := func(objects ...client.Object) (string, error) {
		out, _, err := run(t, []string{"link", "alice", "--system-namespace", "third"}, append(objects, session("desktops", "alice"), installed)...)
		return strings.TrimSuffix(out, "\n"), err
	}
	_, err := link(in("third", former))
	require.ErrorContains(t, err, `"used" not found`)
	out, err := link(in("third", former), in("third", used))
	require.NoError(t, err)
	u, err := url.Parse(out)
	require.NoError(t, err)
	_, _, err = verifier.Verify(token.AudienceSession, u.Query().Get(auth.QueryParameter), time.Now())
	assert.NoError(t, err)
}
