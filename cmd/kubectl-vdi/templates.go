package main

import (
	"cmp"
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/workload"
)

func (p *plugin) newTemplates() *cobra.Command {
	var o output
	cmd := &cobra.Command{
		Use:               "templates",
		Short:             "List what desktops can be made of",
		Example:           "  kubectl vdi templates -o wide",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return p.templates(cmd.Context(), o) },
	}
	o = addOutput(cmd, "")
	return cmd
}

func (p *plugin) templates(ctx context.Context, o output) error {
	c, _, err := p.client()
	if err != nil {
		return err
	}
	var list v1alpha1.VDITemplateList
	if err := c.List(ctx, &list); err != nil {
		return fmt.Errorf("listing templates: %w", err)
	}
	switch {
	case !o.table():
		return o.print(p.Out, &list)
	case len(list.Items) == 0:
		_, err := fmt.Fprintln(p.ErrOut, "There is no template: the chart makes one with selkies.enabled, and config/samples has others.")
		return err
	}
	return printTable(p.Out, templateColumns(), list.Items, o.wide())
}

func templateColumns() []column[v1alpha1.VDITemplate] {
	type template = v1alpha1.VDITemplate
	sessions := func(t *template) v1alpha1.TemplateSessions {
		return ptr.Deref(t.Status.Sessions, v1alpha1.TemplateSessions{})
	}
	return []column[template]{
		{name: "NAME", value: func(t *template) string { return t.Name }},
		{name: "DISPLAY NAME", value: func(t *template) string { return cmp.Or(t.Spec.DisplayName, "-") }},
		{name: "GPU", value: func(t *template) string {
			_, count := workload.GPUs(t, &v1alpha1.VDISession{})
			return strconv.Itoa(int(count))
		}},
		{name: "CPU", value: func(t *template) string { return quantity(t.Spec.Resources.DefaultCPU) }},
		{name: "MEMORY", value: func(t *template) string { return quantity(t.Spec.Resources.DefaultMemory) }},
		{name: "VALID", value: func(t *template) string { return string(validity(t).Status) }},
		{name: "SESSIONS", value: func(t *template) string { return strconv.Itoa(int(sessions(t).Total)) }},
		{name: "AWAKE", value: func(t *template) string { return strconv.Itoa(int(sessions(t).Awake)) }},
		{name: "GPU RESOURCE", wide: true, value: func(t *template) string {
			resource, _ := workload.GPUs(t, &v1alpha1.VDISession{})
			return resource
		}},
		{name: "IMAGE", wide: true, value: func(t *template) string { return t.Spec.Image }},
		{name: "MESSAGE", wide: true, value: func(t *template) string { return inALine(validity(t).Message) }},
	}
}

func quantity(q *resource.Quantity) string {
	if q == nil {
		return "-"
	}
	return q.String()
}

// validity is what the operator says of whether desktops can be made of a template.
func validity(t *v1alpha1.VDITemplate) metav1.Condition {
	return ptr.Deref(meta.FindStatusCondition(t.Status.Conditions, v1alpha1.ConditionValid),
		metav1.Condition{Status: metav1.ConditionUnknown, Reason: "-", Message: "No operator has reported on it."})
}
