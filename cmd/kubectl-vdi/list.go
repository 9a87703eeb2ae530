package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

func (p *plugin) newList() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List desktop sessions",
		Example: "  kubectl vdi list -A",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, namespace, err := p.client()
			if err != nil {
				return err
			}
			if all {
				namespace = metav1.NamespaceAll
			}
			var sessions v1alpha1.VDISessionList
			if err := c.List(cmd.Context(), &sessions, client.InNamespace(namespace)); err != nil {
				return fmt.Errorf("listing sessions: %w", err)
			}
			if len(sessions.Items) == 0 {
				_, err := fmt.Fprintf(p.ErrOut, "No sessions found; list all namespaces with -A.\n")
				return err
			}
			if err := p.print(sessions.Items, time.Now()); err != nil {
				return err
			}
			return p.warnUnserved(cmd.Context(), c, sessions.Items)
		},
	}
	cmd.Flags().BoolVarP(&all, "all-namespaces", "A", false, "list the sessions of all namespaces")
	return cmd
}

// warnUnserved says of which sessions nobody keeps current what the list shows.
func (p *plugin) warnUnserved(ctx context.Context, c client.Client, sessions []v1alpha1.VDISession) error {
	var namespaces []string
	for i := range sessions {
		namespaces = append(namespaces, sessions[i].Namespace)
	}
	slices.Sort(namespaces)
	for _, namespace := range unserved(ctx, c, slices.Compact(namespaces)) {
		_, err := fmt.Fprintf(p.ErrOut, "No installation serves namespace %s any more: what is shown of its sessions is old, and no link opens them. "+
			"Add it to watchNamespaces again, or hand it over: docs/operations/several-installations.md#a-namespace-that-changes-hands\n", namespace)
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *plugin) print(sessions []v1alpha1.VDISession, now time.Time) error {
	w := tabwriter.NewWriter(p.Out, 0, 0, 3, ' ', 0)
	// The tab writer keeps what is written and any error until it is flushed.
	_, _ = fmt.Fprintln(w, "NAMESPACE\tNAME\tUSER\tTEMPLATE\tPHASE\tWAITING FOR\tLAST SEEN\tAWAKE\tURL")
	for i := range sessions {
		s := &sessions[i]
		var seen *metav1.MicroTime
		if s.Status.Activity != nil {
			seen = s.Status.Activity.LastConnectedTime
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Namespace, s.Name, s.Spec.User, s.Spec.Template,
			s.Status.Phase, waitingFor(s.Status.Waiting), since(seen, now), since(s.Status.StartTime, now), s.Status.URL)
	}
	return w.Flush()
}

// waitingFor is the reason of a wait, with the resource or image that is missing; "-" for none.
func waitingFor(w *v1alpha1.SessionWaiting) string {
	if w == nil {
		return "-"
	}
	return strings.TrimSpace(w.Reason + " " + cmp.Or(w.Resource, w.Image))
}

// since is a time's age as kubectl writes it; "-" for never.
func since(t *metav1.MicroTime, now time.Time) string {
	if t == nil {
		return "-"
	}
	return duration.HumanDuration(now.Sub(t.Time))
}
