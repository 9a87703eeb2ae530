package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

const (
	defaultTimeout = 10 * time.Minute
	awaitPoll      = time.Second
)

// waiting is whether a command waits until what it asked for is so, and how long.
type waiting struct {
	on      bool
	timeout time.Duration
}

func addWaiting(cmd *cobra.Command, until string) *waiting {
	w := &waiting{}
	cmd.Flags().BoolVar(&w.on, "wait", false, "wait until "+until)
	cmd.Flags().DurationVar(&w.timeout, "timeout", defaultTimeout, "how long --wait waits")
	return w
}

// await waits until a session is so, and tells meanwhile what it waits for. reached fails where
// waiting is in vain.
func (p *plugin) await(ctx context.Context, c client.Client, s *v1alpha1.VDISession, timeout time.Duration,
	reached func(*v1alpha1.VDISession) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	said := ""
	err := wait.PollUntilContextCancel(ctx, awaitPoll, true, func(ctx context.Context) (bool, error) {
		if err := c.Get(ctx, client.ObjectKeyFromObject(s), s); err != nil {
			return false, err
		}
		done, err := reached(s)
		if now := inALine(s.Status.Message); err == nil && !done && now != "" && now != said {
			said = now
			_, _ = fmt.Fprintln(p.ErrOut, now)
		}
		return done, err
	})
	if wait.Interrupted(err) {
		return fmt.Errorf("session %s/%s is still %s after %s: %s kubectl vdi describe %[2]s --namespace %[1]s says more", s.Namespace, s.Name,
			phaseOf(s), timeout, cmp.Or(said, "its status says nothing."))
	}
	return err
}

// running is whether the desktop can be reached; it fails where somebody has to act first.
func running(s *v1alpha1.VDISession) (bool, error) {
	if s.Status.Phase == v1alpha1.PhaseRunning {
		return true, nil
	}
	if reason := readyReason(s); current(s) && (lifecycle.NeedsAction(reason) || reason == v1alpha1.ReasonStartupTimeout) {
		return false, fmt.Errorf("session %s/%s does not start (%s): %s", s.Namespace, s.Name, reason, inALine(s.Status.Message))
	}
	return false, nil
}

// readyReason is why a session is ready or is not.
func readyReason(s *v1alpha1.VDISession) string {
	return ptr.Deref(meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionReady), metav1.Condition{}).Reason
}

// current says that the operator has seen the session as it is.
func current(s *v1alpha1.VDISession) bool { return s.Status.ObservedGeneration >= s.Generation }
