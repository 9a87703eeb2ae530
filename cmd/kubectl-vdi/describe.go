package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/presence"
)

func (p *plugin) newDescribe() *cobra.Command {
	return &cobra.Command{
		Use:   "describe SESSION",
		Short: "Say how a session stands: what it waits for and why, its clocks, its events",
		Long: `Say how a session stands: what it waits for and why, its conditions in words, its
clocks and when they run out, who is connected, whom it is shared with, and its events.`,
		Example:           "  kubectl vdi describe alice --namespace desktops",
		Args:              one("session"),
		ValidArgsFunction: p.completeSession(),
		RunE:              func(cmd *cobra.Command, args []string) error { return p.describe(cmd.Context(), args[0]) },
	}
}

func (p *plugin) describe(ctx context.Context, name string) error {
	c, s, err := p.findSession(ctx, name)
	if err != nil {
		return err
	}
	now := p.now()
	p.section("", facts(s, now))
	p.section("Clocks", clocks(s, now))
	p.section("Conditions", conditions(s, now))
	p.section("Connected", connected(s, now))
	if len(s.Spec.Shares) > 0 {
		_, _ = fmt.Fprintln(p.Out, "\nShares:")
		if err := printTable(indented{p.Out}, shareColumns(s, now), s.Spec.Shares, false); err != nil {
			return err
		}
	}
	happened, err := eventsOf(ctx, c, s, now)
	if apierrors.IsForbidden(err) {
		_, err = fmt.Fprintf(p.ErrOut, "Events are not shown: %s\n", err)
	}
	if err != nil {
		return err
	}
	p.section("Events", happened)
	return p.warnUnserved(ctx, c, []v1alpha1.VDISession{*s})
}

// givesWay says to whom a dozing desktop gives way; empty where it does not.
func givesWay(d *v1alpha1.SessionDoze) string {
	if d.GivesWayTo == "" {
		return ""
	}
	return ", gives way to " + d.GivesWayTo
}

// fact is a line of a section: cells of a table.
type fact []string

// section prints lines in columns below a heading; none prints nothing.
func (p *plugin) section(heading string, lines []fact) {
	if len(lines) == 0 {
		return
	}
	to := p.Out
	if heading != "" {
		_, _ = fmt.Fprintf(p.Out, "\n%s:\n", heading)
		to = indented{p.Out}
	}
	t := tabwriter.NewWriter(to, 0, 0, 3, ' ', 0)
	for _, line := range lines {
		_, _ = fmt.Fprintln(t, strings.Join(line, "\t"))
	}
	_ = t.Flush()
}

// indented begins each line with two blanks.
type indented struct{ io.Writer }

func (i indented) Write(text []byte) (int, error) {
	for line := range strings.Lines(string(text)) {
		if _, err := fmt.Fprint(i.Writer, "  ", line); err != nil {
			return 0, err
		}
	}
	return len(text), nil
}

// facts are what a session is, and how it stands.
func facts(s *v1alpha1.VDISession, now time.Time) []fact {
	all := []fact{
		{"Session:", s.Namespace + "/" + s.Name}, {"User:", s.Spec.User}, {"Template:", s.Spec.Template},
		{"URL:", cmp.Or(s.Status.URL, "none yet")}, {"Power:", string(cmp.Or(s.Spec.Power, v1alpha1.PowerOnDemand))},
		{"Phase:", string(phaseOf(s))},
	}
	add := func(name, value string) {
		if value != "" {
			all = append(all, fact{name, value})
		}
	}
	add("Message:", inALine(s.Status.Message))
	add("Waiting for:", waitsFor(s.Status.Waiting, now))
	if !current(s) {
		add("Note:", "the operator has not seen the session as it is now; kubectl vdi status says whether one runs")
	}
	if lifecycle.Awake(s) {
		add("Awake:", "for "+since(s.Status.StartTime, now)+started(s))
		add("Pod:", s.Status.PodName)
		if d := s.Status.Doze; d != nil {
			add("Dozing:", fmt.Sprintf("for %s on node %s%s", duration.HumanDuration(now.Sub(d.Since.Time)), d.Node, givesWay(d)))
		}
	} else if s.Status.SleepTime != nil {
		add("Asleep:", "for "+since(s.Status.SleepTime, now)+", "+cmp.Or(s.Status.SleepReason, "for an unknown reason"))
	}
	if seen := lastSeen(s); seen != nil {
		add("Last seen:", since(seen, now)+" ago")
	}
	if s.Status.LastStartDuration != nil {
		add("Last start:", "took "+s.Status.LastStartDuration.Round(time.Second).String())
	}
	return all
}

func started(s *v1alpha1.VDISession) string {
	if lifecycle.Started(s) {
		return ""
	}
	return ", not reachable yet"
}

// waitsFor is what a start waits for, for how long and in whose words.
func waitsFor(w *v1alpha1.SessionWaiting, now time.Time) string {
	if w == nil {
		return ""
	}
	text := fmt.Sprintf("%s, for %s", waitingFor(w), duration.HumanDuration(now.Sub(w.Since.Time)))
	if w.Until != nil {
		text += fmt.Sprintf(", %s more at most", duration.HumanDuration(w.Until.Sub(now)))
	}
	if w.Detail != "" {
		text += ": " + inALine(w.Detail)
	}
	return text
}

// clocks are those that are set, with when each runs out.
func clocks(s *v1alpha1.VDISession, now time.Time) (all []fact) {
	policy := lifecycle.EffectivePolicy(s.Status.Lifecycle)
	due := lifecycle.SessionClocks(now, policy, s)
	for _, c := range lifecycle.Clocks {
		setting, runs := c.Setting(policy.Lifecycle).OrZero(), "does not run"
		if i := slices.IndexFunc(due, func(d lifecycle.Due) bool { return d.Name == c.Name }); i >= 0 {
			runs = "runs out in " + duration.HumanDuration(max(0, due[i].At.Sub(now)))
		}
		if setting <= 0 {
			runs = "is off"
		}
		all = append(all, fact{c.Name, setting.String(), runs})
	}
	return all
}

// conditions are those of a session, the ones that are not well first.
func conditions(s *v1alpha1.VDISession, now time.Time) (all []fact) {
	sorted := slices.Clone(s.Status.Conditions)
	slices.SortStableFunc(sorted, func(a, b metav1.Condition) int {
		return cmp.Compare(rank(a.Status), rank(b.Status))
	})
	for _, c := range sorted {
		all = append(all, fact{c.Type, inWords(c), "for " + duration.HumanDuration(now.Sub(c.LastTransitionTime.Time)), inALine(c.Message)})
	}
	return all
}

func rank(status metav1.ConditionStatus) int {
	return slices.Index([]metav1.ConditionStatus{metav1.ConditionFalse, metav1.ConditionUnknown, metav1.ConditionTrue}, status)
}

func inWords(c metav1.Condition) string {
	return map[metav1.ConditionStatus]string{metav1.ConditionTrue: "yes", metav1.ConditionFalse: "no", metav1.ConditionUnknown: "unknown"}[c.Status] +
		", " + c.Reason
}

// connected are those who are, with what they are to the session and for how long.
func connected(s *v1alpha1.VDISession, now time.Time) (all []fact) {
	for _, p := range presence.In(s, now) {
		all = append(all, fact{whoIs(p), p.Role, "for " + since(&p.Since, now)})
	}
	return all
}

// whoIs is somebody's name, or that of the share whose link let them in.
func whoIs(p v1alpha1.PresentPerson) string {
	if p.Share != "" {
		return "link of share " + p.Share
	}
	return p.User
}

// eventsOf are a session's, the latest last.
func eventsOf(ctx context.Context, c client.Client, s *v1alpha1.VDISession, now time.Time) (all []fact, err error) {
	var list corev1.EventList
	if err := c.List(ctx, &list, client.InNamespace(s.Namespace), client.MatchingFields{"involvedObject.uid": string(s.UID)}); err != nil {
		return nil, fmt.Errorf("listing events: %w", err)
	}
	slices.SortStableFunc(list.Items, func(a, b corev1.Event) int { return happenedAt(&a).Compare(happenedAt(&b)) })
	for i := range list.Items {
		e := &list.Items[i]
		all = append(all, fact{duration.HumanDuration(now.Sub(happenedAt(e))) + " ago", e.Type, e.Reason, inALine(e.Message)})
	}
	return all, nil
}

// happenedAt is an event's last time, in whichever field its writer put it.
func happenedAt(e *corev1.Event) time.Time {
	switch {
	case e.Series != nil:
		return e.Series.LastObservedTime.Time
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp.Time
	case !e.EventTime.IsZero():
		return e.EventTime.Time
	}
	return e.CreationTimestamp.Time
}
