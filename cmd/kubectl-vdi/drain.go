package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/pods"
)

const (
	defaultWithin = 15 * time.Minute
	// drainGrace is how long after their time desktops may take to end: a pod's end is a
	// minute at most, and the operator may be busy.
	drainGrace = 5 * time.Minute
	drainPoll  = 2 * time.Second
	// restoreTimeout bounds what is still done when the command is interrupted.
	restoreTimeout = 30 * time.Second
)

func (p *plugin) newDrain() *cobra.Command {
	var within time.Duration
	cmd := &cobra.Command{
		Use:   "drain NODE",
		Short: "Ask the people whose desktops run on a node to leave it",
		Long: `Ask the people whose desktops run on a cordoned node to leave it, and wait until
no desktop is there.

Each desktop gets a spec.timeout that ends it at the same time, so its page warns two
minutes before. Whoever comes back after that wakes it on another node. When all are
gone, or when the command is interrupted, each timeout is what it was before.`,
		Example:           "  kubectl cordon node-1; kubectl vdi drain node-1 --within 30m",
		Args:              one("node"),
		ValidArgsFunction: p.completeNode(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if within < lifecycle.Shortest {
				return fmt.Errorf("--within %s: must be %s or longer, such as 15m", within, lifecycle.Shortest)
			}
			c, _, err := p.client()
			if err != nil {
				return err
			}
			return p.drain(cmd.Context(), c, args[0], time.Now().Add(within))
		},
	}
	cmd.Flags().DurationVar(&within, "within", defaultWithin, "the time that people have to leave")
	return cmd
}

// drain ends the desktops on a node at a time that their pages warn of.
func (p *plugin) drain(ctx context.Context, c client.Client, node string, end time.Time) (err error) {
	if err := expectCordoned(ctx, c, node); err != nil {
		return err
	}
	sessions, err := awakeOn(ctx, c, node)
	if err != nil {
		return err
	}
	var restores []func(context.Context) error
	defer func() { err = errors.Join(err, restore(ctx, restores)) }()
	for i := range sessions {
		s := &sessions[i]
		undo, err := endBy(ctx, c, s, end)
		if err != nil {
			return fmt.Errorf("session %s: %w", client.ObjectKeyFromObject(s), err)
		}
		restores = append(restores, undo)
		_, _ = fmt.Fprintf(p.Out, "The desktop %s of %s ends by %s.\n", client.ObjectKeyFromObject(s), s.Spec.User, end.Format(time.TimeOnly))
	}
	if err := awaitNoDesktop(ctx, c, node, end.Add(drainGrace)); err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.Out, "No desktop runs on %s. For the rest: kubectl drain %[1]s --ignore-daemonsets --delete-emptydir-data\n", node)
	return err
}

// expectCordoned refuses a node to which those who are asked to leave would come back.
func expectCordoned(ctx context.Context, c client.Client, name string) error {
	var node corev1.Node
	if err := c.Get(ctx, client.ObjectKey{Name: name}, &node); err != nil {
		return fmt.Errorf("node %s: %w", name, err)
	}
	if !node.Spec.Unschedulable {
		return fmt.Errorf("node %s takes new pods, so desktops would come back to it: run kubectl cordon %[1]s first", name)
	}
	return nil
}

// awakeOn are the sessions with a desktop on a node. One that no clock ends is an error.
func awakeOn(ctx context.Context, c client.Client, node string) ([]v1alpha1.VDISession, error) {
	keys, err := desktopsOn(ctx, c, node)
	if err != nil {
		return nil, err
	}
	var sessions []v1alpha1.VDISession
	var errs []error
	for _, key := range keys {
		var s v1alpha1.VDISession
		switch err := c.Get(ctx, key, &s); {
		case apierrors.IsNotFound(err) || err == nil && !lifecycle.Awake(&s): // it ends already
		case err == nil && s.Spec.Power == v1alpha1.PowerAlwaysOn:
			errs = append(errs, fmt.Errorf("session %s has spec.power AlwaysOn, so no time ends it: set it to Off until the node is free", key))
		default:
			sessions, errs = append(sessions, s), append(errs, err)
		}
	}
	return sessions, errors.Join(errs...)
}

// desktopsOn are the sessions that the pods on a node are of, in order.
func desktopsOn(ctx context.Context, c client.Client, node string) ([]types.NamespacedName, error) {
	list, err := podsOn(ctx, c, node)
	if err != nil {
		return nil, err
	}
	var keys []types.NamespacedName
	for i := range list {
		keys = append(keys, sessionOf(&list[i]))
	}
	return slices.Compact(keys), nil
}

// podsOn are the pods of sessions on a node that have not ended, in the order of their sessions. One
// that waits in a warm pool is nobody's, and goes as every other pod does.
func podsOn(ctx context.Context, c client.Client, node string) ([]corev1.Pod, error) {
	var list corev1.PodList
	if err := c.List(ctx, &list, client.HasLabels{v1alpha1.LabelSession}); err != nil {
		return nil, fmt.Errorf("listing desktops' pods: %w", err)
	}
	on := slices.DeleteFunc(list.Items, func(p corev1.Pod) bool {
		return p.Spec.NodeName != node || pods.Ended(&p) || p.Labels[v1alpha1.LabelSession] == ""
	})
	slices.SortFunc(on, func(a, b corev1.Pod) int { return strings.Compare(sessionOf(&a).String(), sessionOf(&b).String()) })
	return on, nil
}

func sessionOf(pod *corev1.Pod) types.NamespacedName {
	return types.NamespacedName{Namespace: pod.Namespace, Name: pod.Labels[v1alpha1.LabelSession]}
}

// endBy sets the timeout that ends an awake desktop at a time, unless it ends before, and
// returns what undoes that.
func endBy(ctx context.Context, c client.Client, s *v1alpha1.VDISession, end time.Time) (undo func(context.Context) error, err error) {
	awake := end.Sub(s.Status.StartTime.Time).Truncate(time.Second)
	if l := s.Status.Lifecycle; l != nil && l.MaxDuration.OrZero() > 0 && l.MaxDuration.OrZero() <= awake {
		return func(context.Context) error { return nil }, nil
	}
	before, set := s.Spec.Timeout, v1alpha1.NewDuration(awake)
	if err := setTimeout(ctx, c, s, set); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		if err := c.Get(ctx, client.ObjectKeyFromObject(s), s); err != nil {
			return client.IgnoreNotFound(err)
		}
		if s.Spec.Timeout.OrZero() != awake {
			return nil // somebody has set another meanwhile
		}
		return client.IgnoreNotFound(setTimeout(ctx, c, s, before))
	}, nil
}

func setTimeout(ctx context.Context, c client.Client, s *v1alpha1.VDISession, timeout *v1alpha1.Duration) error {
	base := s.DeepCopy()
	s.Spec.Timeout = timeout
	return c.Patch(ctx, s, client.MergeFrom(base))
}

// restore undoes also where the command was interrupted.
func restore(ctx context.Context, undo []func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), restoreTimeout)
	defer cancel()
	var errs []error
	for _, u := range undo {
		errs = append(errs, u(ctx))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("giving sessions their spec.timeout back: %w", err)
	}
	return nil
}

func awaitNoDesktop(ctx context.Context, c client.Client, node string, until time.Time) error {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	var left []types.NamespacedName
	err := wait.PollUntilContextCancel(ctx, drainPoll, true, func(ctx context.Context) (done bool, err error) {
		left, err = desktopsOn(ctx, c, node)
		return len(left) == 0, err
	})
	if wait.Interrupted(err) && len(left) > 0 {
		return fmt.Errorf("still on node %s: %v; the operator's log says why, or kubectl describe vdi %s --namespace %s", node, left, left[0].Name,
			left[0].Namespace)
	}
	return err
}
