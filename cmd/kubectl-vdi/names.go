package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// findSession is the session of that name in the namespace that kubectl's flags ask for.
func (p *plugin) findSession(ctx context.Context, name string) (client.Client, *v1alpha1.VDISession, error) {
	c, namespace, err := p.client()
	if err != nil {
		return nil, nil, err
	}
	s := &v1alpha1.VDISession{}
	err = c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, s)
	if apierrors.IsNotFound(err) {
		return nil, nil, fmt.Errorf("namespace %s has no session %s: kubectl vdi list -A shows all, and --namespace names another one", namespace, name)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("session %s/%s: %w", namespace, name, err)
	}
	return c, s, nil
}

// completion is what a shell offers for an argument or a flag.
type completion = func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective)

// completeSession offers the sessions of the namespace; each command takes one.
func (p *plugin) completeSession() completion {
	return first(p.complete(func(ctx context.Context, c client.Client, namespace string) (names []cobra.Completion, err error) {
		var list v1alpha1.VDISessionList
		err = c.List(ctx, &list, client.InNamespace(namespace))
		for i := range list.Items {
			s := &list.Items[i]
			names = append(names, cobra.CompletionWithDesc(s.Name, s.Spec.User+", "+string(phaseOf(s))))
		}
		return names, err
	}))
}

func (p *plugin) completeTemplate() completion {
	return p.complete(func(ctx context.Context, c client.Client, _ string) (names []cobra.Completion, err error) {
		var list v1alpha1.VDITemplateList
		err = c.List(ctx, &list)
		for i := range list.Items {
			names = append(names, cobra.CompletionWithDesc(list.Items[i].Name, list.Items[i].Spec.DisplayName))
		}
		return names, err
	})
}

func (p *plugin) completeNode() completion {
	return first(p.complete(func(ctx context.Context, c client.Client, _ string) (names []cobra.Completion, err error) {
		var list corev1.NodeList
		err = c.List(ctx, &list)
		for i := range list.Items {
			names = append(names, list.Items[i].Name)
		}
		return names, err
	}))
}

// first completes the first argument and no other.
func first(names completion) completion {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return names(cmd, args, begun)
	}
}

// complete offers names; where they cannot be read, none.
func (p *plugin) complete(names func(context.Context, client.Client, string) ([]cobra.Completion, error)) completion {
	return func(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		c, namespace, err := p.client()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		all, err := names(cmd.Context(), c, namespace)
		if err != nil {
			cobra.CompDebugln(err.Error(), false)
		}
		return all, cobra.ShellCompDirectiveNoFileComp
	}
}
