package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/controller/installation"
)

func (p *plugin) newStatus() *cobra.Command {
	var system string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the state of the installation",
		Long: `Show the conditions of the installation, as its operator last reported them, and
whether desktops can be made of each template, with how many nodes have its images
where prePull.enabled keeps them there.

True is good in each; otherwise the message says what is wrong and what to do.
The command fails when a condition of the installation is False, and when no operator
runs that would keep them current. A template that is not valid costs its own sessions
only, and is a warning.`,
		Example: "  kubectl vdi status --system-namespace vdi-system",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, _, err := p.client()
			if err != nil {
				return err
			}
			return p.status(cmd.Context(), c, system)
		},
	}
	cmd.Flags().StringVar(&system, "system-namespace", defaultSystemNamespace, "the namespace that the chart is installed in")
	return cmd
}

func (p *plugin) status(ctx context.Context, c client.Client, namespace string) error {
	var list corev1.ConfigMapList
	if err := c.List(ctx, &list, client.InNamespace(namespace), client.HasLabels{installation.LabelStatus}); err != nil {
		return fmt.Errorf("finding the installation's conditions in namespace %s: %w", namespace, err)
	}
	if len(list.Items) == 0 {
		return fmt.Errorf("namespace %s holds no ConfigMap with the label %s: name the chart's namespace with --system-namespace, and see "+
			"that an operator runs there: kubectl -n %s get deployments", namespace, installation.LabelStatus, namespace)
	}
	slices.SortFunc(list.Items, func(a, b corev1.ConfigMap) int { return cmp.Compare(a.Name, b.Name) })
	all, bad, err := p.printConditions(list.Items)
	if err != nil {
		return err
	}
	if err := p.printTemplates(ctx, c); err != nil {
		return err
	}
	var absent []error
	for i := range list.Items {
		why, err := absence(ctx, c, &list.Items[i])
		switch {
		case apierrors.IsForbidden(err):
			_, err = fmt.Fprintf(p.ErrOut, "Whether an operator keeps these current is not known: %s\n", err)
		case err != nil:
			err = fmt.Errorf("whether an operator runs: %w", err)
		}
		if err != nil {
			return err
		}
		if why != "" {
			absent = append(absent, fmt.Errorf("no operator of installation %s runs, so that the conditions are old, no desktop wakes and none sleeps: %s",
				list.Items[i].Labels[installation.LabelStatus], why))
		}
	}
	if bad > 0 {
		absent = append(absent, fmt.Errorf("conditions that are False: %d of %d", bad, all))
	}
	return errors.Join(absent...)
}

// printConditions prints those of the installations that reported into these, and counts
// them and the ones that are False.
func (p *plugin) printConditions(reports []corev1.ConfigMap) (all, bad int, err error) {
	w := tabwriter.NewWriter(p.Out, 0, 0, 3, ' ', 0)
	// The tab writer keeps what is written and any error until it is flushed.
	_, _ = fmt.Fprintln(w, "INSTALLATION\tTYPE\tSTATUS\tREASON\tMESSAGE")
	for i := range reports {
		conditions, err := installation.ReadStatus(&reports[i])
		if err != nil {
			return all, bad, err
		}
		for _, condition := range conditions {
			all++
			if condition.Status == metav1.ConditionFalse {
				bad++
			}
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", reports[i].Labels[installation.LabelStatus],
				condition.Type, condition.Status, condition.Reason, inALine(condition.Message))
		}
	}
	return all, bad, w.Flush()
}

// printTemplates prints whether each template is valid, and how many sessions it has.
func (p *plugin) printTemplates(ctx context.Context, c client.Client) error {
	var templates v1alpha1.VDITemplateList
	switch err := c.List(ctx, &templates); {
	case apierrors.IsForbidden(err):
		_, err = fmt.Fprintf(p.ErrOut, "Templates are not shown: %s\n", err)
		return err
	case meta.IsNoMatchError(err): // DefinitionsPresent says so
		return nil
	case err != nil:
		return fmt.Errorf("listing templates: %w", err)
	case len(templates.Items) == 0:
		return nil
	}
	w := tabwriter.NewWriter(p.Out, 0, 0, 3, ' ', 0)
	invalid := 0
	_, _ = fmt.Fprintln(w, "\nTEMPLATE\tVALID\tSESSIONS\tAWAKE\tDOZING\tPULLED\tREASON\tMESSAGE")
	for i := range templates.Items {
		t := &templates.Items[i]
		valid := validity(t)
		if valid.Status == metav1.ConditionFalse {
			invalid++
		}
		sessions := ptr.Deref(t.Status.Sessions, v1alpha1.TemplateSessions{})
		pulled, message := prePulled(t.Status.PrePull)
		_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%s\t%s\t%s\n", t.Name, valid.Status, sessions.Total, sessions.Awake, sessions.Dozing, pulled, valid.Reason,
			inALine(valid.Message+" "+message))
	}
	if err := w.Flush(); err != nil || invalid == 0 {
		return err
	}
	_, err := fmt.Fprintf(p.ErrOut, "Warning: %d of %d templates are not valid, and no desktop can be made of them.\n", invalid, len(templates.Items))
	return err
}

// prePulled says how many nodes have a template's images, of how many that are to have them.
func prePulled(p *v1alpha1.TemplatePrePull) (nodes, message string) {
	if p == nil {
		return "-", ""
	}
	return fmt.Sprintf("%d/%d", p.Ready, p.Desired), p.Message
}

func inALine(message string) string { return strings.Join(strings.Fields(message), " ") }
