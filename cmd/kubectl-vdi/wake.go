package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

func (p *plugin) newWake() *cobra.Command {
	var w *waiting
	cmd := &cobra.Command{
		Use:   "wake SESSION",
		Short: "Wake a desktop without a visit",
		Long: `Wake a desktop without a visit, by its session's spec.wakeAt.

If nobody comes, the disconnect timeout puts it to sleep again.`,
		Example:           "  kubectl vdi wake alice --namespace desktops --wait",
		Args:              one("session"),
		ValidArgsFunction: p.completeSession(),
		RunE:              func(cmd *cobra.Command, args []string) error { return p.wake(cmd.Context(), args[0], *w) },
	}
	w = addWaiting(cmd, "the desktop can be reached")
	return cmd
}

func (p *plugin) wake(ctx context.Context, name string, w waiting) error {
	c, s, err := p.findSession(ctx, name)
	if err != nil {
		return err
	}
	switch {
	case lifecycle.PoweredOff(s):
		return fmt.Errorf("session %s/%s is switched off, and nothing wakes it before that ends: %s", s.Namespace, s.Name, setPower(s))
	case lifecycle.Runs(s):
		_, _ = fmt.Fprintf(p.Out, "The desktop %s/%s is awake already.\n", s.Namespace, s.Name)
	default:
		if err := p.ask(ctx, c, s, func(s *v1alpha1.VDISession) { s.Spec.WakeAt = lifecycle.RequestTime(p.now(), s) }); err != nil {
			return err
		}
		_, _ = fmt.Fprintf(p.Out, "The desktop %s/%s wakes.\n", s.Namespace, s.Name)
	}
	if !w.on {
		return nil
	}
	return p.await(ctx, c, s, w.timeout, running)
}

// ask changes what a session's spec asks for.
func (p *plugin) ask(ctx context.Context, c client.Client, s *v1alpha1.VDISession, change func(*v1alpha1.VDISession)) error {
	base := s.DeepCopy()
	change(s)
	if err := c.Patch(ctx, s, client.MergeFrom(base)); err != nil {
		return fmt.Errorf("session %s/%s: %w", s.Namespace, s.Name, err)
	}
	return nil
}

// setPower is the command that lets visits and clocks decide.
func setPower(s *v1alpha1.VDISession) string {
	return fmt.Sprintf(`kubectl patch vdi %s --namespace %s --type=merge -p '{"spec":{"power":"OnDemand"}}'`, s.Name, s.Namespace)
}
