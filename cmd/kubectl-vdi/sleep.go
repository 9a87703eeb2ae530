package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

func (p *plugin) newSleep() *cobra.Command {
	var w *waiting
	cmd := &cobra.Command{
		Use:   "sleep SESSION",
		Short: "Put a desktop to sleep at once",
		Long: `Put a desktop to sleep at once, in use or not, by its session's spec.sleepAt.

Nobody is warned, and what is not saved is lost. The home stays. After it a person wakes
the desktop by opening it; a script that reconnects does not.
To ask people to leave first, use: kubectl vdi drain`,
		Example:           "  kubectl vdi sleep alice --namespace desktops",
		Args:              one("session"),
		ValidArgsFunction: p.completeSession(),
		RunE:              func(cmd *cobra.Command, args []string) error { return p.sleep(cmd.Context(), args[0], *w) },
	}
	w = addWaiting(cmd, "the desktop sleeps")
	return cmd
}

func (p *plugin) sleep(ctx context.Context, name string, w waiting) error {
	c, s, err := p.findSession(ctx, name)
	if err != nil {
		return err
	}
	if s.Spec.Power == v1alpha1.PowerAlwaysOn {
		return fmt.Errorf("session %s/%s has spec.power AlwaysOn and never sleeps: let it first: %s", s.Namespace, s.Name, setPower(s))
	}
	if err := p.ask(ctx, c, s, func(s *v1alpha1.VDISession) { s.Spec.SleepAt = lifecycle.RequestTime(p.now(), s) }); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(p.Out, "The desktop %s/%s goes to sleep.\n", s.Namespace, s.Name)
	if !w.on {
		return nil
	}
	return p.await(ctx, c, s, w.timeout, func(s *v1alpha1.VDISession) (bool, error) { return current(s) && !lifecycle.Awake(s), nil })
}
