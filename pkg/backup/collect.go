package backup

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// page is how many objects are asked for at once.
const page = 500

// turnKey is the key of the TURN Secret that holds what coturn and the activator share.
const turnKey = "secret"

// Options say what to back up.
type Options struct {
	// Namespace has the sessions; empty is every namespace, and every template.
	Namespace string
	// Keys adds the Secrets with the installation's keys, from the namespace System.
	Keys   bool
	System string
}

// Collection is what a backup holds.
type Collection struct {
	Objects []*unstructured.Unstructured
	// Notes are what a person should know about it.
	Notes []string
}

func (b *Collection) note(format string, args ...any) {
	b.Notes = append(b.Notes, fmt.Sprintf(format, args...))
}

// Collect reads what belongs into a backup, in the order in which it is restored.
func Collect(ctx context.Context, c client.Client, o Options) (*Collection, error) {
	b := &Collection{}
	sessions, err := list(ctx, c, sessionKind, client.InNamespace(o.Namespace))
	if err != nil {
		return nil, err
	}
	sessions = slices.DeleteFunc(sessions, func(s *unstructured.Unstructured) bool {
		if s.GetDeletionTimestamp() == nil {
			return false
		}
		b.note("%s is being deleted and is left out.", name(s))
		return true
	})
	templates, err := b.templates(ctx, c, o, sessions)
	if err != nil {
		return nil, err
	}
	homes, err := list(ctx, c, homeKind, client.InNamespace(o.Namespace), client.HasLabels{v1alpha1.LabelUser})
	if err != nil {
		return nil, err
	}
	var keys []*unstructured.Unstructured
	if o.Keys {
		if keys, err = b.keys(ctx, c, o.System); err != nil {
			return nil, err
		}
	}
	for _, object := range slices.Concat(keys, templates, homes, sessions) {
		b.Objects = append(b.Objects, clean(object))
	}
	if len(homes) > 0 {
		b.note("The files in homes are not in this backup (homes: %d): back up their volumes too (docs/backup.md).", len(homes))
	}
	return b, nil
}

// templates are all of them, or those that the sessions of one namespace are made of.
func (b *Collection) templates(ctx context.Context, c client.Client, o Options,
	sessions []*unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
	if o.Namespace == "" {
		return list(ctx, c, templateKind)
	}
	var templates []*unstructured.Unstructured
	for _, wanted := range templatesOf(sessions) {
		t := &unstructured.Unstructured{}
		t.SetGroupVersionKind(templateKind)
		err := c.Get(ctx, client.ObjectKey{Name: wanted}, t)
		switch {
		case apierrors.IsNotFound(err):
			b.note("VDITemplate %s, of which there are sessions, does not exist.", wanted)
		case err != nil:
			return nil, fmt.Errorf("VDITemplate %s: %w", wanted, err)
		default:
			templates = append(templates, t)
		}
	}
	return templates, nil
}

// templatesOf are the names of the templates that sessions are made of, each once.
func templatesOf(sessions []*unstructured.Unstructured) []string {
	var names []string
	for _, s := range sessions {
		if template, _, _ := unstructured.NestedString(s.Object, "spec", "template"); template != "" {
			names = append(names, template)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// keys are the Secrets with the key that signs links and with the TURN server's shared
// secret. What coturn is configured with is made from the latter.
func (b *Collection) keys(ctx context.Context, c client.Client, system string) ([]*unstructured.Unstructured, error) {
	signing, err := list(ctx, c, secretKind, client.InNamespace(system), client.MatchingLabels{v1alpha1.LabelSigningKey: "true"})
	if err != nil {
		return nil, err
	}
	if len(signing) == 0 {
		return nil, fmt.Errorf("namespace %s holds no Secret with the label %s=true: name the chart's namespace with --system-namespace",
			system, v1alpha1.LabelSigningKey)
	}
	turn, err := list(ctx, c, secretKind, client.InNamespace(system),
		client.MatchingLabels{"app.kubernetes.io/part-of": "vdi-operator", "app.kubernetes.io/component": "turn"})
	if err != nil {
		return nil, err
	}
	turn = slices.DeleteFunc(turn, func(s *unstructured.Unstructured) bool {
		_, has, _ := unstructured.NestedString(s.Object, "data", turnKey)
		return !has
	})
	if len(turn) == 0 {
		b.note("No TURN Secret of the chart's is in namespace %s: one that you made (turn.existingSecret) is for you to keep.", system)
	}
	b.note("This backup holds keys: anybody who reads it can open every desktop.")
	return append(signing, turn...), nil
}

// list reads all objects of a kind, page by page.
func list(ctx context.Context, c client.Client, kind schema.GroupVersionKind,
	which ...client.ListOption) ([]*unstructured.Unstructured, error) {
	var all []*unstructured.Unstructured
	next := ""
	for {
		l := &unstructured.UnstructuredList{}
		l.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		err := c.List(ctx, l, append([]client.ListOption{client.Limit(page), client.Continue(next)}, which...)...)
		if meta.IsNoMatchError(err) {
			return nil, fmt.Errorf("the cluster does not know %ss: is the chart installed?", kind.Kind)
		}
		if err != nil {
			return nil, fmt.Errorf("listing %ss: %w", kind.Kind, err)
		}
		for i := range l.Items {
			l.Items[i].SetGroupVersionKind(kind)
			all = append(all, &l.Items[i])
		}
		if next = l.GetContinue(); next == "" {
			return all, nil
		}
	}
}

// Write writes a backup as a stream of YAML documents.
func (b *Collection) Write(w io.Writer) error {
	counts := make([]string, 0, len(order))
	for _, kind := range order {
		n := 0
		for _, o := range b.Objects {
			if o.GroupVersionKind().GroupKind() == kind {
				n++
			}
		}
		counts = append(counts, fmt.Sprintf("%d %ss", n, kind.Kind))
	}
	const head = "# VDI Operator: %s.\n# Bring them back with: kubectl vdi restore -f FILE\n"
	if _, err := fmt.Fprintf(w, head, strings.Join(counts, ", ")); err != nil {
		return err
	}
	for _, o := range b.Objects {
		text, err := yaml.Marshal(o.Object)
		if err != nil {
			return fmt.Errorf("%s: %w", name(o), err)
		}
		if _, err := fmt.Fprintf(w, "---\n%s", text); err != nil {
			return err
		}
	}
	return nil
}
