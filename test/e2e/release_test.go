//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/workload"
	"github.com/org/vdi-operator/test/harness"
	"github.com/org/vdi-operator/test/helm"
)

const (
	// releasePatience is for a story of many of Helm's commands.
	releasePatience = 15 * time.Minute
	noteName        = "note.txt"
	noteText        = "written before the release was uninstalled"
)

// TestAReleaseComesAndGoesUnderItsSessions is one story, told to the one release that serves all
// of them. A stranger installs what this tree releases, and upgrades, rolls back and uninstalls it;
// then the version before takes the sessions up, and is upgraded, rolled back and upgraded again.
// All the time one desktop is in use as far as there is somebody to serve it, and another one keeps
// its home.
func TestAReleaseComesAndGoesUnderItsSessions(t *testing.T) {
	made, err := making() // no part of the story's time
	if errors.Is(err, harness.ErrNotOurs) {
		t.Skip(err)
	}
	require.NoError(t, err)
	whole := storyOfTheRelease(t, releasePatience)
	ctx, r := whole, in.Release()
	changesRelease()
	_, err = r.Uninstall(ctx, "--ignore-not-found")
	require.NoError(t, err)
	s := arrive(ctx, t, made)
	s.installs(ctx, t)
	used := session(ctx, t, "in-use", echoing(t, nil), nil)
	kept := session(ctx, t, "kept", template(t, nil), nil)
	doomed := session(ctx, t, "doomed", echoing(t, nil), nil)

	step := func(name string, do func(t *testing.T)) {
		var end context.CancelFunc
		ctx, end = context.WithTimeout(whole, patience)
		defer end()
		if !t.Run(name, do) {
			t.FailNow()
		}
	}
	var desktop liveDesktop
	step("a stranger's desktop opens through Traefik", func(t *testing.T) {
		s.opensInABrowser(ctx, t)
		desktop = s.uses(ctx, whole, t, used)
		require.NoError(t, s.visits(ctx, t, kept).WriteFile(ctx, noteName, noteText))
	})
	step("what helm template renders is applied twice without damage", func(t *testing.T) {
		s.applies(ctx, t)
		desktop.goesOn(ctx, t)
	})
	step("an upgrade to a second build and a rollback change no desktop in use", func(t *testing.T) {
		s.upgrades(ctx, t)
		desktop.goesOn(ctx, t)
		s.rollsBack(ctx, t)
		desktop.goesOn(ctx, t)
		readNote(ctx, t, s.at, kept)
	})
	desktop.leave()
	step("uninstalling leaves homes, CRDs and sessions, and no finalizer", func(t *testing.T) {
		t.Log(s.follows(ctx, t, "docs/uninstall.md", "helm uninstall vdi "))
		nothingOfTheRelease(ctx, t, r)
		nothingOfTheDesktops(ctx, t, used, kept, doomed)
		assert.Nil(t, homeOf(ctx, t, kept).DeletionTimestamp, "the home of %s is about to go", kept.Name)
		s := &v1alpha1.VDISession{}
		require.NoError(t, in.Client.Get(ctx, doomed, s))
		remove(t, s)
		err := eventually.Wait(ctx, "a session to go that nobody serves", func() error {
			if err := in.Client.Get(ctx, doomed, s); !apierrors.IsNotFound(err) {
				return fmt.Errorf("it is there, with finalizers %v (%w)", s.Finalizers, err)
			}
			return nil
		})
		assert.NoError(t, err)
	})
	step("the version before takes the sessions up, with their homes", func(t *testing.T) {
		require.NoError(t, r.Upgrade(ctx, made.previous, made.previously...))
		readNote(ctx, t, in, kept)
		desktop = use(ctx, whole, t, invited(ctx, t, used), used)
	})
	step("an upgrade changes all programs and no desktop in use", func(t *testing.T) {
		require.NoError(t, upgrade(ctx))
		desktop.goesOn(ctx, t)
		readNote(ctx, t, in, kept)
	})
	step("a rollback goes back to the version before, and an upgrade forward again", func(t *testing.T) {
		require.NoError(t, r.Rollback(ctx, 1))
		desktop.goesOn(ctx, t)
		require.NoError(t, upgrade(ctx))
		desktop.goesOn(ctx, t)
	})
	desktop.leave()
}

// liveDesktop is one in use.
type liveDesktop struct {
	key     types.NamespacedName
	callers []*harness.Caller
	// pod it runs in, and the installation's Secrets.
	pod     string
	secrets map[string]map[string][]byte
	// leave ends its use.
	leave func()
}

// use has clients of a visitor use a desktop, for longer than a step, until they leave.
func use(ctx, whole context.Context, t *testing.T, v *harness.Visitor, key types.NamespacedName) liveDesktop {
	t.Helper()
	using, end := context.WithCancel(whole)
	d := liveDesktop{key: key}
	for i := range 2 {
		d.callers = append(d.callers, v.Call(using, echoPath, fmt.Sprintf("%s %d", key.Name, i)))
	}
	d.leave = func() {
		end()
		for _, c := range d.callers {
			c.Wait()
		}
	}
	everyone(ctx, t, d.callers, "use the desktop", arrived)
	d.pod, d.secrets = runningPod(ctx, t, key), secretsOf(ctx, t)
	return d
}

// goesOn checks that nothing has happened to the desktop.
func (d *liveDesktop) goesOn(ctx context.Context, t *testing.T) {
	t.Helper()
	heard := d.callers[0].State().Heard
	everyone(ctx, t, d.callers, "go on", func(s harness.Call) bool { return arrived(s) && s.Heard > heard })
	for _, c := range d.callers {
		if s := c.State(); s.Opened != 1 || s.Wrong != nil {
			t.Errorf("a client noticed: %+v", s)
		}
	}
	assert.Equal(t, d.pod, runningPod(ctx, t, d.key), "the desktop in use runs in pod, before")
	if now := secretsOf(ctx, t); !maps.EqualFunc(now, d.secrets, func(a, b map[string][]byte) bool { return maps.EqualFunc(a, b, slices.Equal) }) {
		t.Error("the release's Secrets have changed")
	}
}

// noObjectOf fails the test when an object of the release stays. Pods end in their own time.
func noObjectOf(ctx context.Context, t *testing.T, r helm.Release) {
	t.Helper()
	err := eventually.Wait(ctx, "nothing of the release to be left", func() error {
		found, err := in.Objects(ctx, r)
		found = slices.DeleteFunc(found, func(o string) bool {
			return strings.HasPrefix(o, "CustomResourceDefinition ") || strings.HasPrefix(o, "VDITemplate ")
		})
		if err == nil && len(found) > 0 {
			err = fmt.Errorf("there are still %v", found)
		}
		return err
	})
	assert.NoError(t, err)
}

// nothingOfTheRelease fails the test when an object of the release is left, or a key of
// Knative's that it had set.
func nothingOfTheRelease(ctx context.Context, t *testing.T, r helm.Release) {
	t.Helper()
	noObjectOf(ctx, t, r)
	if !in.Knative {
		return // What it took there while it ran on Knative is given up by hand: docs/knative.md.
	}
	var list corev1.ConfigMapList
	require.NoError(t, in.Client.List(ctx, &list, client.InNamespace("knative-serving")))
	for i := range list.Items {
		for _, m := range list.Items[i].ManagedFields {
			assert.False(t, strings.HasPrefix(m.Manager, "vdi-operator"),
				"Knative's %s still has keys of %s", list.Items[i].Name, m.Manager)
		}
		v, ok := list.Items[i].Data["allow-zero-initial-scale"]
		assert.False(t, ok, "Knative's %s still has allow-zero-initial-scale: %q, which it had not before", list.Items[i].Name, v)
	}
}

// nothingOfTheDesktops fails the test when anything runs or would run for the sessions.
func nothingOfTheDesktops(ctx context.Context, t *testing.T, keys ...types.NamespacedName) {
	t.Helper()
	for _, key := range keys {
		s := &v1alpha1.VDISession{}
		if err := in.Client.Get(ctx, key, s); err != nil {
			t.Errorf("session %s: %v", key.Name, err)
			continue
		}
		assert.Empty(t, s.Finalizers, "session %s still has the finalizers", key.Name)
		assert.NoError(t, in.NoPods(ctx, s))
		err := in.Client.Get(ctx, key, &servingv1.Service{})
		assert.True(t, apierrors.IsNotFound(err), "session %s still has a Knative Service (%v)", key.Name, err)
	}
}

func homeOf(ctx context.Context, t *testing.T, key types.NamespacedName) *corev1.PersistentVolumeClaim {
	t.Helper()
	s, claim := &v1alpha1.VDISession{}, &corev1.PersistentVolumeClaim{}
	err := in.Client.Get(ctx, key, s)
	if err == nil {
		err = in.Client.Get(ctx, types.NamespacedName{Namespace: key.Namespace, Name: workload.HomeName(s.Spec.User, s.Spec.Template)}, claim)
	}
	require.NoError(t, err, "the home of session %s", key.Name)
	return claim
}

// readNote opens a session, which may be asleep, and expects the file in its home.
func readNote(ctx context.Context, t *testing.T, at *harness.Installation, key types.NamespacedName) {
	t.Helper()
	err := eventually.Wait(ctx, "session "+key.Name+" to open with its file", func() error {
		link, err := at.Link(ctx, key, linkTTL)
		if err != nil {
			return err
		}
		visitor, err := at.Invited(ctx, link)
		if err != nil {
			return err
		}
		text, err := visitor.ReadFile(ctx, noteName)
		if err == nil && text != noteText {
			err = fmt.Errorf("the file holds %q", text)
		}
		return err
	})
	require.NoError(t, err)
}

// runningPod is the desktop's pod, as the API has it: an operator that has just been
// replaced may not have said it yet.
func runningPod(ctx context.Context, t *testing.T, key types.NamespacedName) string {
	t.Helper()
	var uid string
	err := eventually.Wait(ctx, "one pod of session "+key.Name, func() error {
		s := &v1alpha1.VDISession{}
		if err := in.Client.Get(ctx, key, s); err != nil {
			return err
		}
		pods, err := in.Pods(ctx, s)
		if err != nil {
			return err
		}
		if len(pods) != 1 || !harness.Ready(&pods[0]) {
			return errors.New("there is not one that is ready")
		}
		uid = pods[0].Name + " " + string(pods[0].UID)
		return nil
	})
	require.NoError(t, err)
	return uid
}

// secretsOf are the Secrets of the installation that sessions depend on: the key that
// signs links, and what is shared with coturn.
func secretsOf(ctx context.Context, t *testing.T) map[string]map[string][]byte {
	t.Helper()
	all := map[string]map[string][]byte{}
	for _, name := range []string{"vdi-signing-key", "vdi-turn"} {
		var secret corev1.Secret
		require.NoError(t, in.Client.Get(ctx, types.NamespacedName{Namespace: in.SystemNamespace, Name: name}, &secret))
		all[name] = secret.Data
	}
	return all
}
