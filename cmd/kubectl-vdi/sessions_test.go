package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/signin"
)

// cluster is one that stays over several commands.
func cluster(t *testing.T, objects ...client.Object) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		require.NoError(t, add(scheme))
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build()
}

func stored(t *testing.T, c client.Client, name string) *v1alpha1.VDISession {
	t.Helper()
	s := &v1alpha1.VDISession{}
	require.NoError(t, c.Get(t.Context(), client.ObjectKey{Namespace: "desktops", Name: name}, s))
	return s
}

func kde() *v1alpha1.VDITemplate {
	t := &v1alpha1.VDITemplate{ObjectMeta: metav1.ObjectMeta{Name: "kde"}}
	t.Spec.DisplayName, t.Spec.Image, t.Spec.Resources.DefaultGPU = "KDE", "kde:1", ptr.To[int32](2)
	return t
}

func before(d time.Duration) *metav1.MicroTime { return &metav1.MicroTime{Time: time.Now().Add(-d)} }

// awakeSince is a session whose desktop has been awake for so long.
func awakeSince(name string, d time.Duration) *v1alpha1.VDISession {
	s := session("desktops", name)
	s.Status.Phase, s.Status.StartTime, s.Status.ReadyTime, s.Status.PodName = v1alpha1.PhaseRunning, before(d), before(d), name+"-1"
	return s
}

func TestASessionIsCreatedAsItIsAskedFor(t *testing.T) {
	c := cluster(t, kde())
	out, errOut, err := runWith(t, c, strings.Fields("create bob --user bob@example.com --template kde --gpu 0 --cpu 2 --memory 8Gi"))
	require.NoError(t, err)
	assert.Empty(t, errOut)
	assert.Equal(t, "vdisession.vdi.kasm.io/bob created\n", out)
	bob := stored(t, c, "bob")
	assert.Equal(t, "bob@example.com", bob.Spec.User)
	assert.Equal(t, "kde", bob.Spec.Template)
	assert.Zero(t, *bob.Spec.Resources.GPU)
	assert.Equal(t, "8Gi", bob.Spec.Resources.Memory.String())
	assert.Nil(t, bob.Spec.WakeAt)

	out, errOut, err = runWith(t, c, strings.Fields("create eve --user eve@example.com --template xfce --wake -o json"))
	require.NoError(t, err)
	assert.Contains(t, errOut, "there is no template xfce, and the session waits for it")
	assert.Contains(t, out, `"kind": "VDISession"`)
	eve := stored(t, c, "eve")
	assert.True(t, lifecycle.DecideSession(time.Now(), lifecycle.Policy{}, eve).Awake)
	assert.Nil(t, eve.Spec.Resources)
	for args, says := range map[string]string{
		"create bob --user b --template kde":                      "has a session bob already",
		"create ann --template kde":                               "--user is missing",
		"create ann --user a":                                     "--template is missing: kubectl vdi templates",
		"create ann --user a --template kde --memory lots":        "--memory lots: must be a quantity",
		"create --user a --template kde":                          "name one session, not 0: kubectl vdi create",
		"create ann --user a --template kde -o table":             "allowed formats are",
		"create zoe --user a --template kde --wait --timeout 1ms": "is still Pending after 1ms: its status says nothing. kubectl vdi describe zoe --namespace desktops",
	} {
		_, _, err := runWith(t, c, strings.Fields(args))
		assert.ErrorContains(t, err, says, args)
	}
}

func TestWakeAndSleepAskForIt(t *testing.T) {
	c := cluster(t, session("desktops", "alice"), awakeSince("bob", time.Hour))
	out, _, err := runWith(t, c, []string{"wake", "alice"})
	require.NoError(t, err)
	assert.Equal(t, "The desktop desktops/alice wakes.\n", out)
	assert.True(t, lifecycle.DecideSession(time.Now(), lifecycle.Policy{}, stored(t, c, "alice")).Awake)
	out, _, err = runWith(t, c, strings.Fields("wake bob --wait"))
	require.NoError(t, err)
	assert.Equal(t, "The desktop desktops/bob is awake already.\n", out)
	assert.Nil(t, stored(t, c, "bob").Spec.WakeAt)

	out, _, err = runWith(t, c, []string{"sleep", "bob"})
	require.NoError(t, err)
	assert.Equal(t, "The desktop desktops/bob goes to sleep.\n", out)
	assert.Equal(t, lifecycle.ReasonSleepRequested, lifecycle.DecideSession(time.Now(), lifecycle.Policy{}, stored(t, c, "bob")).Reason)
}

func TestWhyNothingWakesOrSleeps(t *testing.T) {
	off, on, stuck := session("desktops", "off"), session("desktops", "on"), awakeSince("stuck", time.Minute)
	off.Spec.Power, on.Spec.Power = v1alpha1.PowerOff, v1alpha1.PowerAlwaysOn
	stuck.Status.Phase, stuck.Status.Message = v1alpha1.PhaseCreating, "The image cannot be pulled."
	stuck.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonImagePullFailed}}
	c := cluster(t, off, on, stuck)
	for args, says := range map[string]string{
		"wake off":          `is switched off, and nothing wakes it before that ends: kubectl patch vdi off --namespace desktops --type=merge`,
		"sleep on":          "has spec.power AlwaysOn and never sleeps: let it first: kubectl patch vdi on",
		"wake nobody":       "namespace desktops has no session nobody: kubectl vdi list -A shows all",
		"wake stuck --wait": "session desktops/stuck does not start (ImagePullFailed): The image cannot be pulled.",
	} {
		_, _, err := runWith(t, c, strings.Fields(args))
		assert.ErrorContains(t, err, says, args)
	}
}

func TestAWaitFollowsTheServersClock(t *testing.T) {
	clock := &serverClock{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if late := r.URL.Query().Get("late"); late != "" {
			d, _ := time.ParseDuration(late)
			w.Header().Set("Date", time.Now().Add(-d).UTC().Format(http.TimeFormat))
		}
	}))
	defer server.Close()
	for late, want := range map[string]time.Duration{"0s": 0, "2s": 0, "10m": -10 * time.Minute, "-1h": time.Hour} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"?late="+late, nil)
		require.NoError(t, err)
		answer, err := clock.watch(http.DefaultTransport).RoundTrip(r)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		assert.WithinDuration(t, time.Now().Add(want), clock.now(), 3*time.Second, late)
	}
}

func TestOpenOpensTheAddressWherePeopleSignInAndALinkElsewhere(t *testing.T) {
	secret, _ := signingSecret(t, "signing")
	alice := session("desktops", "alice")
	opened = nil
	out, _, err := run(t, []string{"open", "alice"}, alice, secret)
	require.NoError(t, err)
	require.Len(t, opened, 1)
	assert.Contains(t, opened[0], "https://alice--desktops.vdi.example.com:8443/?")
	assert.NotContains(t, out, "?", "the terminal's history has no link")
	out, _, err = run(t, []string{"open", "alice", "--print"}, alice, secret)
	require.NoError(t, err)
	assert.Contains(t, out, "https://alice--desktops.vdi.example.com:8443/?")
	assert.Len(t, opened, 1)

	signed := watching("desktops")
	signed.Data["config.yaml"] += "auth: {oidc: {issuer: https://id.example.com, clientID: portal}}\n"
	out, _, err = run(t, []string{"open", "alice", "--print"}, alice, signed, claimed("desktops"))
	require.NoError(t, err)
	assert.Equal(t, alice.Status.URL+"\n", out)
}

func TestAShareIsMadeListedAndEnded(t *testing.T) {
	alice := session("desktops", "alice")
	c := cluster(t, alice, watching("desktops"), claimed("desktops"))
	_, errOut, err := runWith(t, c, []string{"share", "alice"})
	require.NoError(t, err)
	assert.Equal(t, "Session desktops/alice is shared with nobody; --user and --link share it.\n", errOut)
	out, _, err := runWith(t, c, strings.Fields("share alice --user bob@example.com --role Controller"))
	require.NoError(t, err)
	assert.Regexp(t, `^Share controller-[a-z0-9]{8} lets bob@example.com in as Controller: https://alice--desktops`, out)

	out, errOut, err = runWith(t, c, strings.Fields("share alice --link --uses 1 --expires 2h"))
	require.NoError(t, err)
	assert.Contains(t, errOut, "It is not shown again.")
	u, err := url.Parse(strings.TrimSpace(out))
	require.NoError(t, err)
	assert.Equal(t, "alice--desktops.other.example.com", u.Host, "where the installation is")
	name, secret, is := signin.ParseShareLink(u.Query().Get(signin.ShareParameter))
	require.True(t, is)
	shares := stored(t, c, "alice").Spec.Shares
	require.Len(t, shares, 2)
	assert.Equal(t, name, shares[1].Name)
	assert.Equal(t, &v1alpha1.ShareLink{SecretHash: signin.Hash(secret), MaxUses: 1}, shares[1].Link)
	assert.WithinDuration(t, time.Now().Add(2*time.Hour), shares[1].ExpiresAt.Time, time.Minute)

	out, _, err = runWith(t, c, []string{"share", "alice"})
	require.NoError(t, err)
	assert.NotContains(t, out, secret)
	assert.Regexp(t, `(?m)^NAME +ROLE +FOR +USES +ENDS IN$`, out)
	assert.Regexp(t, `(?m)^viewer-\w+ +Viewer +whoever has the link +0 of 1 +(119m|120m|2h)$`, out)
	out, _, err = runWith(t, c, []string{"share", "alice", "--end", name})
	require.NoError(t, err)
	assert.Contains(t, out, "out within a minute")
	assert.Len(t, stored(t, c, "alice").Spec.Shares, 1)
	for args, says := range map[string]string{
		"share alice --end " + name:            "has no share " + name + ": kubectl vdi share alice --namespace desktops lists them",
		"share alice --link --role Owner":      "--role Owner: must be Viewer or Controller",
		"share alice --user bob --uses 2":      "--uses counts browsers that open a link: add --link",
		"share alice --role Viewer":            "--role is of a new share: say with whom by --user or --link",
		"share alice --link --expires -1h":     "--expires -1h0m0s: must be",
		"share alice --link --user bob":        "none of the others can be",
		"share alice --user alice@example.com": "is alice@example.com's own: name somebody else",
	} {
		_, _, err := runWith(t, c, strings.Fields(args))
		assert.ErrorContains(t, err, says, args)
	}
}

func TestTemplatesAreListed(t *testing.T) {
	out, _, err := run(t, []string{"templates"}, kde())
	require.NoError(t, err)
	assert.Regexp(t, `^NAME +DISPLAY NAME +GPU +CPU +MEMORY +VALID +SESSIONS +AWAKE\nkde +KDE +2 +- +- +Unknown +0 +0\n$`, out)
	out, _, err = run(t, []string{"templates", "-o", "wide"}, kde())
	require.NoError(t, err)
	assert.Contains(t, out, "nvidia.com/gpu")
	assert.Contains(t, out, "kde:1")
	out, _, err = run(t, []string{"templates", "-o", "name"}, kde())
	require.NoError(t, err)
	assert.Equal(t, "vditemplate.vdi.kasm.io/kde\n", out)
}

func TestTopKnowsThePresentWakesAndTheWeek(t *testing.T) {
	zoe := awakeSince("zoe", 30*time.Minute)
	zoe.Spec.Template = "gone"
	eve, bob := session("desktops", "eve"), awakeSince("bob", 3*time.Hour)
	eve.Status.GPUUse = []v1alpha1.GPUDay{{Day: time.Now().UTC().AddDate(0, 0, -5).Format(time.DateOnly), Seconds: 3600}}
	bob.Status.GPUUse = []v1alpha1.GPUDay{{Day: eve.Status.GPUUse[0].Day, Seconds: 1800}}
	out, errOut, err := run(t, []string{"top"}, kde(), awakeSince("alice", 30*time.Minute), bob, zoe, eve)
	require.NoError(t, err)
	lines := strings.Split(out, "\n")
	assert.Regexp(t, `^NAMESPACE +NAME +USER +TEMPLATE +RESOURCE +GPUS +AWAKE +GPU HOURS +7 DAYS +LAST SEEN$`, lines[0])
	assert.Regexp(t, `^desktops +bob +bob@example.com +kde +nvidia.com/gpu +2 +3h +6\.0 +6\.5 +-$`, lines[1], "the most first")
	assert.Regexp(t, `^desktops +alice .* 1\.0 `, lines[2])
	assert.Regexp(t, `^desktops +zoe +zoe@example.com +gone +\? +\? +30m +\? `, lines[3])
	assert.Equal(t, "\nAwake: 3, with 4 GPUs and 7.0 GPU hours since they woke. Asleep: 1. All: 8.5 GPU hours in seven days. Not counted, for their template is not there: 1.\n", errOut)
	out, _, err = run(t, []string{"top", "--sort-by", "name"}, kde(), awakeSince("alice", time.Minute), awakeSince("bob", time.Hour))
	require.NoError(t, err)
	assert.Less(t, strings.Index(out, "alice"), strings.Index(out, "bob"))
	_, errOut, err = run(t, []string{"top"}, session("desktops", "eve"))
	require.NoError(t, err)
	assert.Equal(t, "Namespace desktops has no awake desktop; -A shows those of all namespaces. Asleep: 1, with 0.0 GPU hours in seven days.\n", errOut)
	_, _, err = run(t, []string{"top", "--sort-by", "cost"})
	assert.ErrorContains(t, err, "--sort-by cost: must be one of gpu-hours")
}

func TestLogsAreTheDesktops(t *testing.T) {
	out, _, err := run(t, strings.Fields("logs alice -f --tail 5"), awakeSince("alice", time.Hour))
	require.NoError(t, err)
	assert.Equal(t, "desktops/alice-1 desktop follow=true tail=5\n", out)
	_, _, err = run(t, []string{"logs", "alice"}, session("desktops", "alice"))
	assert.ErrorContains(t, err, "is Pending and has no pod: kubectl vdi wake alice --namespace desktops --wait")
}

func TestDescribeSaysWhatASessionWaitsForAndWhy(t *testing.T) {
	alice := awakeSince("alice", 5*time.Minute)
	alice.Status.Phase, alice.Status.ReadyTime = v1alpha1.PhaseCreating, nil
	alice.Status.Message = "Waiting for a GPU."
	alice.Status.Waiting = &v1alpha1.SessionWaiting{Reason: v1alpha1.ReasonWaitingForGPU, Resource: "nvidia.com/gpu", Detail: "0/3 nodes\nhave one",
		Since: metav1.NewTime(time.Now().Add(-3 * time.Minute))}
	alice.Status.Lifecycle = &v1alpha1.Lifecycle{StartupTimeout: v1alpha1.NewDuration(10*time.Minute + 30*time.Second), IdleTimeout: v1alpha1.NewDuration(time.Hour)}
	alice.Status.Conditions = []metav1.Condition{
		{Type: v1alpha1.ConditionHomeReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonHomeHeld},
		{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonWaitingForGPU, Message: "Waiting for a GPU."}}
	alice.Spec.Shares = []v1alpha1.Share{{Name: "viewer-1", Role: v1alpha1.ShareViewer, User: "bob"}}
	alice.Status.Activity = &v1alpha1.SessionActivity{Present: map[string]v1alpha1.ReplicaPresence{"one": {At: metav1.NowMicro(),
		People: []v1alpha1.PresentPerson{{User: "bob", Role: "Viewer", Since: *before(3 * time.Minute)}, {Share: "review", Role: "Viewer", Since: *before(time.Hour)}}}}}
	event := &corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "desktops", Name: "e1"}, InvolvedObject: corev1.ObjectReference{UID: alice.UID},
		Type: "Normal", Reason: v1alpha1.EventAwake, Message: "The desktop wakes: Visited", EventTime: *before(5 * time.Minute)}
	other := event.DeepCopy()
	other.Name, other.InvolvedObject.UID, other.Message = "e2", "other", "of another session"
	out, _, err := run(t, []string{"describe", "alice"}, alice, event, other)
	require.NoError(t, err)
	for _, line := range []string{
		`Phase: +Creating`, `Waiting for: +WaitingForGPU nvidia.com/gpu, for 3m\d*s?: 0/3 nodes have one`, `Awake: +for 5m\d*s?, not reachable yet`,
		`  startupTimeout +10m30s +runs out in 5m\d*s`, `  idleTimeout +1h0m0s +does not run`, `  maxDuration +0s +is off`,
		`  Ready +no, WaitingForGPU +for .* Waiting for a GPU.`, `  viewer-1 +Viewer +bob`,
		`Connected:\n  link of share review +Viewer +for 60m *\n  bob +Viewer +for 3m\d*s?`, `  5m\d*s? ago +Normal +Awake +The desktop wakes: Visited`,
	} {
		assert.Regexp(t, `(?m)^`+line, out)
	}
	assert.NotContains(t, out, "of another session")
	assert.Less(t, strings.Index(out, "no, WaitingForGPU"), strings.Index(out, "yes, HomeHeld"), "what is not well comes first")
}

func TestShellsAreOfferedNames(t *testing.T) {
	alice := session("desktops", "alice")
	alice.Spec.Shares = []v1alpha1.Share{{Name: "viewer-1", Role: v1alpha1.ShareViewer, User: "bob"}}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-1"}}
	for line, offers := range map[string]string{
		"wake ": "alice\talice@example.com, Pending", "link ": "alice", "drain ": "node-1", "create bob --template ": "kde\tKDE",
		"share alice --end ": "viewer-1\tbob", "list -o ": "wide", "top --sort-by ": "gpus", "list --phase ": "Asleep", "wake alice ": ":4",
	} {
		out, _, err := run(t, append([]string{"__complete"}, strings.Split(line, " ")...), alice, session("others", "eve"), node, kde())
		require.NoError(t, err)
		assert.Contains(t, out, offers, line)
		assert.NotContains(t, out, "eve", line)
		assert.Contains(t, out, ":4\n", "no files: %s", line)
	}
	out, _, err := run(t, []string{"__complete", "wake", "alice", ""}, alice)
	require.NoError(t, err)
	assert.NotContains(t, out, "alice@")
}
