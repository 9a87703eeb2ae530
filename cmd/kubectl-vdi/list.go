package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/presence"
)

// listing is which sessions a list shows, and how.
type listing struct {
	all    bool
	phases []string
	output output
}

func (p *plugin) newList() *cobra.Command {
	var l listing
	cmd := &cobra.Command{
		Use:               "list",
		Short:             "List desktop sessions",
		Long:              "List desktop sessions, with what each waits for and what its status says.",
		Example:           "  kubectl vdi list -A\n  kubectl vdi list -A --phase Failed,Pending\n  kubectl vdi list -o json",
		Args:              cobra.NoArgs,
		RunE:              func(cmd *cobra.Command, _ []string) error { return p.list(cmd.Context(), l) },
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().BoolVarP(&l.all, "all-namespaces", "A", false, "list the sessions of all namespaces")
	cmd.Flags().StringSliceVar(&l.phases, "phase", nil, "list the sessions in these phases: "+strings.Join(phaseNames(), ", "))
	l.output = addOutput(cmd, "")
	_ = cmd.RegisterFlagCompletionFunc("phase", cobra.FixedCompletions(phaseNames(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (p *plugin) list(ctx context.Context, l listing) error {
	if err := l.check(); err != nil {
		return err
	}
	c, namespace, err := p.client()
	if err != nil {
		return err
	}
	if l.all {
		namespace = metav1.NamespaceAll
	}
	var sessions v1alpha1.VDISessionList
	if err := c.List(ctx, &sessions, client.InNamespace(namespace)); err != nil {
		return fmt.Errorf("listing sessions: %w", err)
	}
	sessions.Items = slices.DeleteFunc(sessions.Items, func(s v1alpha1.VDISession) bool { return !l.shows(&s) })
	switch {
	case !l.output.table():
		return l.output.print(p.Out, &sessions)
	case len(sessions.Items) == 0:
		_, err := fmt.Fprintln(p.ErrOut, l.nothing(namespace))
		return err
	}
	if err := printTable(p.Out, sessionColumns(p.now()), sessions.Items, l.output.wide()); err != nil {
		return err
	}
	return p.warnUnserved(ctx, c, sessions.Items)
}

// phases are those that a session can have.
var phases = []v1alpha1.Phase{v1alpha1.PhasePending, v1alpha1.PhaseCreating, v1alpha1.PhaseRunning, v1alpha1.PhaseDozing, v1alpha1.PhaseAsleep, v1alpha1.PhaseFailed,
	v1alpha1.PhaseTerminating}

func phaseNames() []string {
	names := make([]string, len(phases))
	for i, phase := range phases {
		names[i] = string(phase)
	}
	return names
}

func (l listing) check() error {
	for _, phase := range l.phases {
		if !slices.Contains(phases, v1alpha1.Phase(phase)) {
			return fmt.Errorf("--phase %s: is no phase; those are %s", phase, strings.Join(phaseNames(), ", "))
		}
	}
	return nil
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

// nothing says that there is no such session, and where else one may be.
func (l listing) nothing(namespace string) string {
	of := ""
	if len(l.phases) > 0 {
		of = " that is " + strings.Join(l.phases, " or ")
	}
	if l.all {
		return fmt.Sprintf("No namespace has a session%s.", of)
	}
	return fmt.Sprintf("Namespace %s has no session%s; -A lists those of all namespaces.", namespace, of)
}

func (l listing) shows(s *v1alpha1.VDISession) bool {
	return len(l.phases) == 0 || slices.Contains(l.phases, string(phaseOf(s)))
}

// phaseOf is a session's phase; one that no operator has seen waits for it.
func phaseOf(s *v1alpha1.VDISession) v1alpha1.Phase {
	return cmp.Or(s.Status.Phase, v1alpha1.PhasePending)
}

// sessionColumns are a list's at now.
func sessionColumns(now time.Time) []column[v1alpha1.VDISession] {
	type session = v1alpha1.VDISession
	return []column[session]{
		{name: "NAMESPACE", value: func(s *session) string { return s.Namespace }},
		{name: "NAME", value: func(s *session) string { return s.Name }},
		{name: "USER", value: func(s *session) string { return s.Spec.User }},
		{name: "TEMPLATE", value: func(s *session) string { return s.Spec.Template }},
		{name: "PHASE", value: func(s *session) string { return string(phaseOf(s)) }},
		{name: "WAITING FOR", value: func(s *session) string { return waitingFor(s.Status.Waiting) }},
		{name: "LAST SEEN", value: func(s *session) string { return since(lastSeen(s), now) }},
		{name: "AWAKE", value: func(s *session) string { return since(s.Status.StartTime, now) }},
		{name: "POWER", wide: true, value: func(s *session) string { return string(cmp.Or(s.Spec.Power, v1alpha1.PowerOnDemand)) }},
		{name: "CONNECTED", wide: true, value: func(s *session) string {
			var who []string
			for _, p := range presence.In(s, now) {
				who = append(who, whoIs(p))
			}
			return cmp.Or(strings.Join(who, ", "), "-")
		}},
		{name: "SHARES", wide: true, value: func(s *session) string { return strconv.Itoa(len(s.Spec.Shares)) }},
		{name: "SLEPT BY", wide: true, value: func(s *session) string { return cmp.Or(s.Status.SleepReason, "-") }},
		{name: "POD", wide: true, value: func(s *session) string { return cmp.Or(s.Status.PodName, "-") }},
		{name: "URL", value: func(s *session) string { return s.Status.URL }},
		{name: "MESSAGE", value: func(s *session) string { return inALine(s.Status.Message) }},
	}
}

func lastSeen(s *v1alpha1.VDISession) *metav1.MicroTime {
	if s.Status.Activity == nil {
		return nil
	}
	return s.Status.Activity.LastConnectedTime
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
