package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// creation is what a new session is to be.
type creation struct {
	user, template, cpu, memory string
	gpu                         int32
	wake                        bool
}

func (p *plugin) newCreate() *cobra.Command {
	var n creation
	var o output
	var w *waiting
	cmd := &cobra.Command{
		Use:   "create SESSION",
		Short: "Create a session from a template, for a user",
		Long: `Create a session from a template, for a user. It sleeps until somebody opens it,
unless --wake is given. What the flags leave out is the template's.`,
		Example:           "  kubectl vdi create alice --template selkies --user alice@example.com --namespace desktops",
		Args:              one("session"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(); err != nil {
				return err
			}
			s, err := n.session(args[0], cmd.Flags().Changed("gpu"))
			if err != nil {
				return err
			}
			return p.create(cmd.Context(), s, n.wake, *w, o)
		},
	}
	cmd.Flags().StringVar(&n.user, "user", "", "whose desktop it is, by the name that the identity provider gives them")
	cmd.Flags().StringVar(&n.template, "template", "", "the template; kubectl vdi templates lists them")
	cmd.Flags().Int32Var(&n.gpu, "gpu", 0, "the number of GPUs")
	cmd.Flags().StringVar(&n.cpu, "cpu", "", "the CPU limit, such as 2 or 500m")
	cmd.Flags().StringVar(&n.memory, "memory", "", "the memory, such as 8Gi")
	cmd.Flags().BoolVar(&n.wake, "wake", false, "wake the desktop at once")
	w = addWaiting(cmd, "a visit gets the desktop; with --wake, until it can be reached")
	o = addOutput(cmd, "created")
	_ = cmd.RegisterFlagCompletionFunc("template", p.completeTemplate())
	return cmd
}

// session is what is asked for; gpu says that its number is.
func (n creation) session(name string, gpu bool) (*v1alpha1.VDISession, error) {
	s := &v1alpha1.VDISession{Spec: v1alpha1.VDISessionSpec{User: n.user, Template: n.template}}
	s.Name = name
	switch {
	case n.user == "":
		return nil, errors.New("--user is missing: name whose desktop it is, such as --user alice@example.com")
	case n.template == "":
		return nil, errors.New("--template is missing: kubectl vdi templates lists them")
	}
	var r v1alpha1.SessionResources
	if gpu {
		r.GPU = &n.gpu
	}
	for flag, to := range map[string]struct {
		value string
		field **resource.Quantity
	}{"cpu": {n.cpu, &r.CPU}, "memory": {n.memory, &r.Memory}} {
		if to.value == "" {
			continue
		}
		q, err := resource.ParseQuantity(to.value)
		if err != nil {
			return nil, fmt.Errorf("--%s %s: must be a quantity, such as 2 or 500m of CPU, or 8Gi of memory", flag, to.value)
		}
		*to.field = &q
	}
	if r != (v1alpha1.SessionResources{}) {
		s.Spec.Resources = &r
	}
	return s, nil
}

func (p *plugin) create(ctx context.Context, s *v1alpha1.VDISession, wake bool, w waiting, o output) error {
	c, namespace, err := p.client()
	if err != nil {
		return err
	}
	s.Namespace = namespace
	note := p.noteOnTemplate(ctx, c, s.Spec.Template)
	if wake {
		s.Spec.WakeAt = lifecycle.RequestTime(p.now(), s)
	}
	switch err := c.Create(ctx, s); {
	case apierrors.IsAlreadyExists(err):
		return fmt.Errorf("namespace %s has a session %s already: choose another name, or see it: kubectl vdi describe %[2]s --namespace %[1]s",
			namespace, s.Name)
	case apierrors.IsNotFound(err):
		return fmt.Errorf("there is no namespace %s, or no VDI Operator: %w", namespace, err)
	case err != nil:
		return err
	}
	if note != "" {
		_, _ = fmt.Fprintln(p.ErrOut, "Note:", note)
	}
	if w.on {
		until := running
		if !wake {
			until = visitable
		}
		if err := p.await(ctx, c, s, w.timeout, until); err != nil {
			return err
		}
	}
	if o.wide() {
		return printTable(p.Out, sessionColumns(p.now()), []v1alpha1.VDISession{*s}, true)
	}
	return o.print(p.Out, s)
}

// noteOnTemplate says why no desktop can be made of a template, as far as that can be read.
func (p *plugin) noteOnTemplate(ctx context.Context, c client.Client, name string) string {
	var t v1alpha1.VDITemplate
	err := c.Get(ctx, client.ObjectKey{Name: name}, &t)
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Sprintf("there is no template %s, and the session waits for it; kubectl vdi templates lists those that there are", name)
	case err == nil && validity(&t).Status == metav1.ConditionFalse:
		return fmt.Sprintf("template %s is not valid: %s", name, inALine(validity(&t).Message))
	}
	return ""
}

// visitable is whether a visit gets the desktop; it fails where somebody has to act first.
func visitable(s *v1alpha1.VDISession) (bool, error) {
	if current(s) && readyReason(s) == v1alpha1.ReasonAsleep {
		return true, nil
	}
	return running(s)
}
