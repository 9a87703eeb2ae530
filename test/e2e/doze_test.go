//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/nodeapi"
	"github.com/org/vdi-operator/test/harness"
)

// unsaved is a command that is typed and not entered: only the shell's memory has it. Entered,
// it writes the shell's history to a file.
const unsaved = "history -w draft"

// inTerminal is a place in the demo desktop's terminal, in pixels of the page.
const inTerminal = 150

// A person types and does not save, and leaves. The desktop dozes; the program on its node is
// killed, and freezes it again when it is back. Who returns finds every program, and the text.
func TestADozingDesktopComesBackAsItWasLeft(t *testing.T) {
	t.Parallel()
	ctx := story(t)
	key := session(ctx, t, "dozes", template(t, func(s *v1alpha1.VDITemplateSpec) {
		s.Lifecycle.DisconnectTimeout, s.Lifecycle.DozeAfter, s.Lifecycle.DozeFor = clock(5*time.Minute), clock(10*time.Second), clock(time.Hour)
	}), nil)
	p := arrives(ctx, t, key)
	p.sees(harness.DesktopShown + " && " + harness.FirstFrameShown)
	p.does(chromedp.MouseClickXY(inTerminal, inTerminal), chromedp.KeyEvent("mine and unsaved\r"), chromedp.KeyEvent(unsaved))
	p.takesPicture("e2e-doze-left.png")
	s, err := in.Session(ctx, key, "running", harness.InPhase(v1alpha1.PhaseRunning))
	require.NoError(t, err)
	pod := podOf(ctx, t, s)
	before := processes(ctx, t, pod)
	require.NotEmpty(t, before)

	p.does(chromedp.Navigate("about:blank"))
	s, err = in.Session(ctx, key, "dozing", harness.Frozen)
	require.NoError(t, err)
	require.True(t, meta.IsStatusConditionTrue(s.Status.Conditions, v1alpha1.ConditionDozing))
	killsTheProgramOn(ctx, t, s)

	began := time.Now()
	link, err := in.Link(ctx, key, linkTTL)
	require.NoError(t, err)
	p.opens(link)
	p.sees(harness.DesktopShown + " && " + harness.FirstFrameShown)
	t.Logf("shown again %s after it was opened", time.Since(began).Round(time.Millisecond))
	p.takesPicture("e2e-doze-back.png")
	s, err = in.Session(ctx, key, "running", harness.InPhase(v1alpha1.PhaseRunning))
	require.NoError(t, err)
	assert.Nil(t, s.Status.Doze)
	now := podOf(ctx, t, s)
	assert.Equal(t, pod.UID, now.UID)
	assert.Equal(t, before, processes(ctx, t, now), "a program of the desktop's is another one")

	p.does(chromedp.MouseClickXY(inTerminal, inTerminal), chromedp.KeyEvent("\r"))
	visitor := invited(ctx, t, key)
	require.NoError(t, eventually.Wait(ctx, "the text to be entered", func() error {
		text, err := visitor.ReadFile(ctx, "draft")
		if err == nil && !strings.Contains(text, "mine and unsaved") {
			err = fmt.Errorf("the history is %q", text)
		}
		return err
	}))
}

// podOf is the session's only pod.
func podOf(ctx context.Context, t *testing.T, s *v1alpha1.VDISession) *corev1.Pod {
	t.Helper()
	all, err := in.Pods(ctx, s)
	require.NoError(t, err)
	require.Len(t, all, 1)
	return &all[0]
}

// processes are the numbers and names of the desktop's processes, without those that ask.
func processes(ctx context.Context, t *testing.T, pod *corev1.Pod) (all []string) {
	t.Helper()
	const list = `for p in /proc/[0-9]*; do [ "$(cut -d' ' -f4 $p/stat 2>/dev/null)" = 0 ] || echo "${p#/proc/} $(cat $p/comm 2>/dev/null)"; done`
	kubectl, err := in.Kubectl(ctx)
	require.NoError(t, err)
	out, err := harness.Output(ctx, in.Root, kubectl, "--kubeconfig", in.Kubeconfig, "--namespace", pod.Namespace, "exec", pod.Name,
		"--container", v1alpha1.ContainerDesktop, "--", "sh", "-c", list)
	require.NoError(t, err)
	for line := range strings.Lines(out) {
		name := strings.TrimSpace(line)
		if slices.ContainsFunc([]string{" xterm", " bash", " Xvfb", " blackbox", " xclock"}, func(of string) bool { return strings.HasSuffix(name, of) }) {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// killsTheProgramOn kills the program that has frozen the session's desktop, and waits until the
// next one has.
func killsTheProgramOn(ctx context.Context, t *testing.T, s *v1alpha1.VDISession) {
	t.Helper()
	was := s.Status.Doze
	programs, err := in.Programs(ctx, nodeapi.Component)
	require.NoError(t, err)
	i := slices.IndexFunc(programs, func(p corev1.Pod) bool { return p.Spec.NodeName == was.Node })
	require.GreaterOrEqual(t, i, 0, "no program is ready on node %s", was.Node)
	require.NoError(t, in.Kill(ctx, &programs[i]))
	require.NoError(t, eventually.Wait(ctx, "the next program to have frozen it", func() error {
		now := &v1alpha1.VDISession{}
		if err := in.Client.Get(ctx, withName(s.Name), now); err != nil {
			return err
		}
		if d := now.Status.Doze; d == nil || d.FrozenAt == nil || d.Program == was.Program {
			return errors.New("it is not: " + now.Status.Message)
		}
		return nil
	}))
}

func TestAWaiterTakesADozingDesktopsGPU(t *testing.T) {
	t.Parallel()
	gpus.Lock()
	defer gpus.Unlock()
	ctx := story(t)
	all := allocatableGPUs(t)
	tpl := template(t, func(s *v1alpha1.VDITemplateSpec) {
		s.Resources.DefaultGPU = ptr(all)
		s.Lifecycle.DisconnectTimeout, s.Lifecycle.DozeAfter = clock(time.Hour), clock(10*time.Second)
	})
	first, second := session(ctx, t, "doze-first", tpl, nil), session(ctx, t, "doze-second", tpl, nil)
	holder, err := invited(ctx, t, first).View(ctx, nil)
	require.NoError(t, err)
	require.NoError(t, holder.WaitFrames(ctx, 1))
	holder.Close()
	_, err = in.Session(ctx, first, "dozing", harness.Frozen)
	require.NoError(t, err)
	waiter, err := invited(ctx, t, second).View(ctx, nil)
	require.NoError(t, err)
	defer waiter.Close()
	require.NoError(t, waiter.WaitFrames(ctx, 1), "the waiter did not get the GPU of who dozes")
	s, err := in.Session(ctx, first, "asleep", harness.InPhase(v1alpha1.PhaseAsleep))
	require.NoError(t, err)
	assert.Equal(t, v1alpha1.ReasonGaveWay, s.Status.SleepReason)
}
