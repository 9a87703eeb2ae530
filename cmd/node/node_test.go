package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/node/pressure"
	"github.com/org/vdi-operator/pkg/nodeapi"
	"github.com/org/vdi-operator/pkg/token/tokentest"
)

var good = flags{installation: "vdi-system/vdi", node: "node-a", pulseEvery: time.Minute}

func TestAFlagThatCannotBeIsNamed(t *testing.T) {
	require.NoError(t, good.validate())
	for name, change := range map[string]func(*flags){
		"--installation": func(f *flags) { f.installation = "vdi" },
		"--node-name":    func(f *flags) { f.node = "" },
		"--pulse-every":  func(f *flags) { f.pulseEvery = time.Second },
	} {
		f := good
		change(&f)
		assert.ErrorContains(t, f.validate(), name)
	}
	_, certificate := tokentest.Certified(t)
	for name, c := range map[string]struct {
		change func(*flags)
		says   string
	}{
		"no flag":        {func(f *flags) { f.node = "" }, "--node-name"},
		"no certificate": {func(f *flags) { f.verificationCert = "none" }, "--verification-cert"},
		"no cgroups":     {func(f *flags) { f.cgroupRoot = t.TempDir() }, "mount the node's /sys/fs/cgroup"},
	} {
		f := good
		f.verificationCert = written(t, certificate)
		c.change(&f)
		assert.ErrorContains(t, run(t.Context(), f, slog.New(slog.DiscardHandler)), c.says, name)
	}
}

func written(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tls.crt")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

func TestOnlyPodsOfSessionsOnThisNodeAreWatched(t *testing.T) {
	o, err := cacheOptions(runtime.NewScheme(), "team-a", "node-a")
	require.NoError(t, err)
	assert.Contains(t, o.DefaultNamespaces, "team-a")
	require.Len(t, o.ByObject, 1)
	for _, pods := range o.ByObject {
		assert.Equal(t, "spec.nodeName=node-a", pods.Field.String())
		assert.Equal(t, v1alpha1.LabelSession, pods.Label.String())
	}
	assert.Equal(t, []string{""}, flags{}.spaces(), "all namespaces")
	assert.Equal(t, []string{"a", "b"}, flags{namespaces: "a,b"}.spaces())
}

func TestOfAPodOnlyWhatIsNeededIsKept(t *testing.T) {
	going := metav1.Now()
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "b", UID: "1", ResourceVersion: "2", DeletionTimestamp: &going,
			Labels: map[string]string{v1alpha1.LabelSession: "ada", "x": "y"}, Annotations: map[string]string{"note": "long"}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: v1alpha1.ContainerDesktop, Env: []corev1.EnvVar{{Name: "SECRET"}}}}},
		Status: corev1.PodStatus{Phase: corev1.PodFailed,
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady}, {Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue}},
			ContainerStatuses: []corev1.ContainerStatus{{Name: v1alpha1.ContainerAgent},
				{Name: v1alpha1.ContainerDesktop, Image: "i", ContainerID: "containerd://c", State: running}}}}
	out, err := trimmed(p)
	require.NoError(t, err)
	assert.Equal(t, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "b", UID: "1", ResourceVersion: "2", DeletionTimestamp: &going,
			Labels: map[string]string{v1alpha1.LabelSession: "ada"}},
		Status: corev1.PodStatus{Phase: corev1.PodFailed, Conditions: []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue}},
			ContainerStatuses: []corev1.ContainerStatus{{Name: v1alpha1.ContainerDesktop, ContainerID: "containerd://c", State: running}}}}, out)
}

func TestTheProgramIsReadyOncePodsAreKnownAndUntilTheSignal(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	r := &readiness{stopping: ctx}
	require.ErrorContains(t, r.check(), "still being listed")
	synced := false
	r.pods.Store(&watches{func() bool { return false }, func() bool { return synced }})
	require.ErrorContains(t, r.check(), "still being listed")
	synced = true
	require.NoError(t, r.check(), "one namespace is enough")
	stop()
	require.ErrorContains(t, r.check(), "shutting down")
}

func TestNoSessionIsAskedBeforeTheAPIServerHasAnswered(t *testing.T) {
	_, err := (&sessions{}).Ask(t.Context(), types.NamespacedName{}, "1")
	assert.ErrorContains(t, err, "not answered yet")
}

func TestANodeWhoseKernelTellsNoPressureSaysSoOnce(t *testing.T) {
	reg, log := prometheus.NewRegistry(), &bytes.Buffer{}
	unknown := func() (nodeapi.Pressure, error) { return nodeapi.Pressure{}, pressure.ErrUnknown }
	showPressure(reg, unknown, slog.New(slog.NewTextHandler(log, nil)))
	assert.Contains(t, log.String(), "psi=1")
	n, err := testutil.GatherAndCount(reg)
	require.NoError(t, err)
	assert.Zero(t, n)

	showPressure(reg, func() (nodeapi.Pressure, error) { return nodeapi.Pressure{Stalled: 25, Available: 50}, nil }, slog.New(slog.DiscardHandler))
	assert.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader("# HELP vdi_node_memory_stalled_ratio Share of the last ten seconds in which some process of the node waited for memory, "+
		"as the kernel counts it: doze.memoryPressure is of it, in percent.\n# TYPE vdi_node_memory_stalled_ratio gauge\nvdi_node_memory_stalled_ratio 0.25\n")))
}
