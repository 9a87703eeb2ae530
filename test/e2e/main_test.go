//go:build e2e

// Package e2e tells users' stories on a real cluster: a visitor who opens a
// session's URL, an administrator with kubectl, and what goes wrong between them.
package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/workload"
	"github.com/org/vdi-operator/test/harness"
)

const (
	namespace = "vdi-e2e"
	// patience is how long a story may take on a slow machine; none asserts a time.
	patience = 6 * time.Minute
	linkTTL  = time.Hour
)

var in *harness.Installation

// making makes the releases of TestAReleaseComesAndGoesUnderItsSessions, once.
var making func() (releases, error)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if in, err = harness.Open(ctx); err != nil {
		return 1, err
	}
	if err := removeNamespaces(ctx, namespace); err != nil {
		return 1, err
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if err := in.Client.Create(ctx, ns); err != nil {
		return 1, err
	}
	folder, err := os.MkdirTemp("", "vdi-e2e-")
	if err != nil {
		return 1, err
	}
	makes, stop := context.WithCancel(ctx)
	making = sync.OnceValues(func() (releases, error) { return makeReleases(makes, folder) })
	defer func() {
		stop()
		made, _ := making()
		made.Wait()
		_ = os.RemoveAll(folder)
	}()
	if everyStory() {
		go func() { _, _ = making() }() // they take a minute of a processor, which the first stories leave
	}
	code = m.Run()
	if code != 0 {
		in.Describe(ctx, os.Stderr, namespace)
	}
	// Knative's pods take half a minute to end; the next run waits for what is left.
	return code, client.IgnoreNotFound(in.Client.Delete(ctx, ns))
}

// everyStory says that no story was chosen or left out.
func everyStory() bool {
	flag.Parse()
	for _, choice := range []string{"test.run", "test.skip", "test.list"} {
		if flag.Lookup(choice).Value.String() != "" {
			return false
		}
	}
	return true
}

// removeNamespaces also removes what an earlier, interrupted run left.
func removeNamespaces(ctx context.Context, names ...string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, name := range names {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		err := eventually.Wait(ctx, "namespace "+name+" to be gone", func() error {
			err := in.Client.Delete(ctx, ns)
			if apierrors.IsNotFound(err) {
				return nil
			}
			if err == nil {
				err = fmt.Errorf("it still exists")
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// story is the context of one test, with patience: the release is as the platform
// installed it, and what an earlier test replaced of it has ended.
func story(t *testing.T) context.Context {
	t.Helper()
	ctx := storyOfTheRelease(t, patience)
	require.NoError(t, restoreRelease(ctx))
	require.NoError(t, in.Settled(ctx))
	return ctx
}

// storyOfTheRelease is the context of a test that changes the release: it finds the
// release as the last such test left it, and must install what it needs.
func storyOfTheRelease(t *testing.T, patience time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// release says whether a story has changed the release since the platform installed it.
var release struct {
	sync.Mutex
	changed bool
}

// upgrade upgrades the release to this tree's chart with the platform's settings and
// these. The next story that needs the platform's release gets it restored.
func upgrade(ctx context.Context, args ...string) error {
	release.Lock()
	defer release.Unlock()
	release.changed = true
	err := in.Release().Upgrade(ctx, in.Chart(), append(slices.Clone(in.Settings), args...)...)
	release.changed = err != nil || len(args) > 0
	return err
}

// changesRelease is for a story that does so other than by upgrade.
func changesRelease() {
	release.Lock()
	defer release.Unlock()
	release.changed = true
}

func restoreRelease(ctx context.Context) error {
	release.Lock()
	defer release.Unlock()
	if !release.changed {
		return nil
	}
	err := in.Release().Upgrade(ctx, in.Chart(), in.Settings...)
	release.changed = err != nil
	return err
}

// template creates a template like the demo desktop's, changed by the test, which
// goes with the test.
func template(t *testing.T, change func(*v1alpha1.VDITemplateSpec)) string {
	t.Helper()
	spec := in.DemoTemplate()
	spec.Resources.DefaultGPU = ptr(int32(0))
	// The node is small, and desktops of several stories wait for clocks there at once.
	spec.PodTemplate = &runtime.RawExtension{Raw: []byte(`{"spec":{"containers":[{"name":"desktop","resources":{"requests":{"cpu":"50m"}}}]}}`)}
	// A small picture: whoever encodes and shows it has the same processors.
	spec.Env = []corev1.EnvVar{{Name: "DESKTOP_RESOLUTION", Value: "640x360"}}
	spec.Lifecycle = &v1alpha1.Lifecycle{DisconnectTimeout: clock(12 * time.Second), StartupTimeout: clock(3 * time.Minute)}
	if change != nil {
		change(&spec)
	}
	tpl := &v1alpha1.VDITemplate{ObjectMeta: metav1.ObjectMeta{GenerateName: "e2e-"}, Spec: spec}
	require.NoError(t, in.Client.Create(t.Context(), tpl), "creating the template")
	t.Cleanup(func() { remove(t, tpl) })
	return tpl.Name
}

// session creates a session that goes, with its home, when the test ends, and
// waits until it can be visited.
func session(ctx context.Context, t *testing.T, name, template string, change func(*v1alpha1.VDISessionSpec)) types.NamespacedName {
	t.Helper()
	key := create(ctx, t, name, template, change)
	_, err := in.Session(ctx, key, "asleep", harness.InPhase(v1alpha1.PhaseAsleep))
	require.NoError(t, err)
	return key
}

func create(ctx context.Context, t *testing.T, name, template string, change func(*v1alpha1.VDISessionSpec)) types.NamespacedName {
	t.Helper()
	s := &v1alpha1.VDISession{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       v1alpha1.VDISessionSpec{User: name + "@example.com", Template: template},
	}
	if change != nil {
		change(&s.Spec)
	}
	require.NoError(t, in.Client.Create(ctx, s), "creating session %s", name)
	t.Cleanup(func() {
		remove(t, s)
		home := workload.HomeName(s.Spec.User, s.Spec.Template)
		remove(t, &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: home}})
	})
	return client.ObjectKeyFromObject(s)
}

// withName is the key of a session of these tests.
func withName(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: namespace, Name: name}
}

// invited is a visitor with a link for the session.
func invited(ctx context.Context, t *testing.T, key types.NamespacedName) *harness.Visitor {
	t.Helper()
	link, err := in.Link(ctx, key, linkTTL)
	require.NoError(t, err)
	v, err := in.Invited(ctx, link)
	require.NoError(t, err)
	return v
}

func remove(t *testing.T, o client.Object) {
	assert.NoError(t, client.IgnoreNotFound(in.Client.Delete(context.Background(), o)), "removing %s", o.GetName())
}

func ptr[T any](v T) *T { return &v }

func clock(d time.Duration) *v1alpha1.Duration {
	return &v1alpha1.Duration{Duration: metav1.Duration{Duration: d}}
}
