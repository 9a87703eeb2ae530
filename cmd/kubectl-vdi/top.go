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
	"github.com/org/vdi-operator/pkg/gpuuse"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/workload"
)

// usage is what an awake desktop has taken since it woke.
type usage struct {
	*v1alpha1.VDISession
	resource string
	// gpus is negative where the template that says it is not there.
	gpus  int32
	awake time.Duration
	// week is its GPU time in seven days, with this wake.
	week time.Duration
}

func (u *usage) gpuHours() float64 { return float64(max(u.gpus, 0)) * u.awake.Hours() }

// sorts are the orders of the list, the largest first.
var sorts = map[string]func(a, b usage) int{
	"gpu-hours": func(a, b usage) int { return cmp.Compare(b.gpuHours(), a.gpuHours()) },
	"gpus":      func(a, b usage) int { return cmp.Compare(b.gpus, a.gpus) },
	"awake":     func(a, b usage) int { return cmp.Compare(b.awake, a.awake) },
	"idle": func(a, b usage) int {
		return seenAt(a.VDISession).Compare(seenAt(b.VDISession))
	},
	"name": func(a, b usage) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	},
}

func (p *plugin) newTop() *cobra.Command {
	var all bool
	var by string
	names := []string{"gpu-hours", "gpus", "awake", "idle", "name"}
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Show which awake desktops take how many GPU hours",
		Long: `Show awake desktops with the GPU hours that they have taken since they woke, and in seven days:
today and the six days before, in UTC.

That is their time awake times the GPUs that template and session ask for now. The sum of seven
days has sleeping desktops, too, and no deleted ones; all are in Prometheus, if the installation
has one, as vdi_gpu_seconds_used_total. A GPU counts from the decision to wake, not from the pod's start.`,
		Example:           "  kubectl vdi top -A --sort-by idle",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if sorts[by] == nil {
				return fmt.Errorf("--sort-by %s: must be one of %s", by, strings.Join(names, ", "))
			}
			return p.top(cmd.Context(), all, by)
		},
	}
	cmd.Flags().BoolVarP(&all, "all-namespaces", "A", false, "show the desktops of all namespaces")
	cmd.Flags().StringVar(&by, "sort-by", "gpu-hours", "the order: "+strings.Join(names, ", "))
	_ = cmd.RegisterFlagCompletionFunc("sort-by", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (p *plugin) top(ctx context.Context, all bool, by string) error {
	c, namespace, err := p.client()
	if err != nil {
		return err
	}
	nothing := fmt.Sprintf("Namespace %s has no awake desktop; -A shows those of all namespaces.", namespace)
	if all {
		namespace, nothing = metav1.NamespaceAll, "No namespace has an awake desktop."
	}
	used, asleep, week, err := awakeUsage(ctx, c, namespace, p.now())
	if err != nil {
		return err
	}
	if len(used) == 0 {
		_, err := fmt.Fprintf(p.ErrOut, "%s Asleep: %d, with %.1f GPU hours in seven days.\n", nothing, asleep, week.Hours())
		return err
	}
	slices.SortStableFunc(used, sorts["name"])
	slices.SortStableFunc(used, sorts[by])
	if err := printTable(p.Out, usageColumns(p.now()), used, false); err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.ErrOut, "\n"+summary(used, asleep, week))
	return err
}

// awakeUsage is that of the awake desktops in a namespace, how many sessions there sleep, and the
// GPU time of all in seven days.
func awakeUsage(ctx context.Context, c client.Client, namespace string, now time.Time) (used []usage, asleep int, week time.Duration, err error) {
	var sessions v1alpha1.VDISessionList
	var templates v1alpha1.VDITemplateList
	if err := c.List(ctx, &sessions, client.InNamespace(namespace)); err != nil {
		return nil, 0, 0, fmt.Errorf("listing sessions: %w", err)
	}
	if err := c.List(ctx, &templates); err != nil {
		return nil, 0, 0, fmt.Errorf("listing templates, which say how many GPUs desktops have: %w", err)
	}
	for i := range sessions.Items {
		s := &sessions.Items[i]
		u := usage{VDISession: s, gpus: -1}
		if t := slices.IndexFunc(templates.Items, func(t v1alpha1.VDITemplate) bool { return t.Name == s.Spec.Template }); t >= 0 {
			u.resource, u.gpus = workload.GPUs(&templates.Items[t], s)
		}
		u.week = gpuuse.Week(s, u.gpus, now)
		week += u.week
		if !lifecycle.Awake(s) {
			asleep++
			continue
		}
		u.awake = max(0, now.Sub(s.Status.StartTime.Time))
		used = append(used, u)
	}
	return used, asleep, week, nil
}

func usageColumns(now time.Time) []column[usage] {
	known := func(value func(*usage) string) func(*usage) string {
		return func(u *usage) string {
			if u.gpus < 0 {
				return "?"
			}
			return value(u)
		}
	}
	return []column[usage]{
		{name: "NAMESPACE", value: func(u *usage) string { return u.Namespace }},
		{name: "NAME", value: func(u *usage) string { return u.Name }},
		{name: "USER", value: func(u *usage) string { return u.Spec.User }},
		{name: "TEMPLATE", value: func(u *usage) string { return u.Spec.Template }},
		{name: "RESOURCE", value: known(func(u *usage) string { return u.resource })},
		{name: "GPUS", value: known(func(u *usage) string { return strconv.Itoa(int(u.gpus)) })},
		{name: "AWAKE", value: func(u *usage) string { return duration.HumanDuration(u.awake) }},
		{name: "GPU HOURS", value: known(func(u *usage) string { return fmt.Sprintf("%.1f", u.gpuHours()) })},
		{name: "7 DAYS", value: known(func(u *usage) string { return fmt.Sprintf("%.1f", u.week.Hours()) })},
		{name: "LAST SEEN", value: func(u *usage) string { return since(lastSeen(u.VDISession), now) }},
	}
}

// seenAt is when somebody was last connected; the wake where nobody was.
func seenAt(s *v1alpha1.VDISession) time.Time {
	if seen := lastSeen(s); seen != nil {
		return seen.Time
	}
	return s.Status.StartTime.Time
}

// summary is the sum, and what it leaves out.
func summary(used []usage, asleep int, week time.Duration) string {
	hours, gpus, unknown := 0.0, 0, 0
	for i := range used {
		if used[i].gpus < 0 {
			unknown++
			continue
		}
		hours, gpus = hours+used[i].gpuHours(), gpus+int(used[i].gpus)
	}
	text := fmt.Sprintf("Awake: %d, with %d GPUs and %.1f GPU hours since they woke. Asleep: %d. All: %.1f GPU hours in seven days.",
		len(used), gpus, hours, asleep, week.Hours())
	if unknown > 0 {
		text += fmt.Sprintf(" Not counted, for their template is not there: %d.", unknown)
	}
	return text
}
