package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/controller/installation"
)

func (p *plugin) newStatus() *cobra.Command {
	var system string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how the installation does",
		Long: `Show the conditions of the installation, as its operator last reported them.

True is good in each; otherwise the message says what is wrong and what to do.
The command fails when one is False.`,
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
	var all, bad int
	w := tabwriter.NewWriter(p.Out, 0, 0, 3, ' ', 0)
	// The tab writer keeps what is written and any error until it is flushed.
	_, _ = fmt.Fprintln(w, "INSTALLATION\tTYPE\tSTATUS\tREASON\tMESSAGE")
	for i := range list.Items {
		conditions, err := installation.ReadStatus(&list.Items[i])
		if err != nil {
			return err
		}
		for _, condition := range conditions {
			all++
			if condition.Status == metav1.ConditionFalse {
				bad++
			}
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", list.Items[i].Labels[installation.LabelStatus],
				condition.Type, condition.Status, condition.Reason, strings.Join(strings.Fields(condition.Message), " "))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d conditions are False", bad, all)
	}
	return nil
}
