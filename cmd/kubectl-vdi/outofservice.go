package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/pods"
)

func (p *plugin) newOutOfService() *cobra.Command {
	var poweredOff, undo bool
	cmd := &cobra.Command{
		Use:   "out-of-service NODE",
		Short: "Let go of the desktops and homes of a node that is powered off",
		Long: `Let go of the desktops and homes of a node that is powered off, so that they start
on other nodes.

It gives the node the taint ` + pods.OutOfService.ToString() + `,
on which Kubernetes deletes its pods and detaches their volumes, those of others too. A
node that is Ready is refused. One that does not answer may still run desktops, and then
two would write to one home: make sure that it is powered off, and say so.`,
		Example:           "  kubectl vdi out-of-service node-1 --powered-off\n  kubectl vdi out-of-service node-1 --undo",
		Args:              one("node"),
		ValidArgsFunction: p.completeNode(),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, _, err := p.client()
			if err != nil {
				return err
			}
			node := &corev1.Node{}
			if err := c.Get(cmd.Context(), client.ObjectKey{Name: args[0]}, node); err != nil {
				return fmt.Errorf("node %s: %w", args[0], err)
			}
			if undo {
				return p.backInService(cmd.Context(), c, node)
			}
			return p.outOfService(cmd.Context(), c, node, poweredOff)
		},
	}
	cmd.Flags().BoolVar(&poweredOff, "powered-off", false, "I have made sure that the node is powered off and stays so: none of its programs runs")
	cmd.Flags().BoolVar(&undo, "undo", false, "take the taint off again, when the node is back")
	cmd.MarkFlagsMutuallyExclusive("powered-off", "undo")
	return cmd
}

// outOfService taints a node that does not answer, once somebody vouches that it is off.
func (p *plugin) outOfService(ctx context.Context, c client.Client, node *corev1.Node, poweredOff bool) error {
	state := readiness(node)
	if state.Status == corev1.ConditionTrue {
		return fmt.Errorf("node %s is Ready: its desktops run and have their homes. A node that was powered off is no longer Ready a minute "+
			"later; for one that runs, use kubectl vdi drain %[1]s", node.Name)
	}
	on, err := podsOn(ctx, c, node.Name)
	if err != nil {
		return err
	}
	if !poweredOff {
		p.say(on, "would be let go")
		return fmt.Errorf("node %s is not Ready (%s), which does not say that it is off: if it runs, two desktops write to one home. Make sure "+
			"that it is powered off and stays so, then add --powered-off", node.Name, state.Reason)
	}
	if err := setTaint(ctx, c, node, true); err != nil {
		return err
	}
	p.say(on, "is let go")
	_, err = fmt.Fprintf(p.Out, "Kubernetes deletes the pods of node %s and detaches their volumes, which takes up to a minute; desktops that are waited for "+
		"start elsewhere.\nWhen the node is back: kubectl vdi out-of-service %[1]s --undo\n", node.Name)
	return err
}

// backInService takes the taint off.
func (p *plugin) backInService(ctx context.Context, c client.Client, node *corev1.Node) error {
	if !slices.ContainsFunc(node.Spec.Taints, isOutOfService) {
		_, err := fmt.Fprintf(p.Out, "Node %s is not out of service: it has no taint %s.\n", node.Name, pods.OutOfService.Key)
		return err
	}
	if err := setTaint(ctx, c, node, false); err != nil {
		return err
	}
	_, err := fmt.Fprintf(p.Out, "Node %s is in service again: desktops start there as soon as it is Ready.\n", node.Name)
	return err
}

// readiness is the node's condition Ready; Unknown where nobody has said so.
func readiness(node *corev1.Node) corev1.NodeCondition {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c
		}
	}
	return corev1.NodeCondition{Status: corev1.ConditionUnknown, Reason: "NodeStatusNeverUpdated"}
}

func isOutOfService(t corev1.Taint) bool { return t.Key == pods.OutOfService.Key }

// setTaint gives the node the taint, or takes it off; others' taints stay.
func setTaint(ctx context.Context, c client.Client, node *corev1.Node, on bool) error {
	base := node.DeepCopy()
	node.Spec.Taints = slices.DeleteFunc(node.Spec.Taints, isOutOfService)
	if on {
		node.Spec.Taints = append(node.Spec.Taints, pods.OutOfService)
	}
	if err := c.Patch(ctx, node, client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("the taint %s of node %s: %w", pods.OutOfService.Key, node.Name, err)
	}
	return nil
}

// say lists the desktops' pods, each with its volumes.
func (p *plugin) say(on []corev1.Pod, what string) {
	if len(on) == 0 {
		_, _ = fmt.Fprintln(p.Out, "No desktop is there.")
	}
	for i := range on {
		pod, homes := &on[i], ""
		if claims := claimsOf(pod); len(claims) > 0 {
			homes = " with " + strings.Join(claims, ", ")
		}
		_, _ = fmt.Fprintf(p.Out, "Session %s: pod %s%s %s.\n", sessionOf(pod), pod.Name, homes, what)
	}
}

// claimsOf are the volumes that outlive a pod.
func claimsOf(pod *corev1.Pod) (claims []string) {
	for _, v := range pod.Spec.Volumes {
		if v.PersistentVolumeClaim != nil {
			claims = append(claims, v.PersistentVolumeClaim.ClaimName)
		}
	}
	return claims
}
