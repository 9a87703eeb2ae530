package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/pkg/claims"
	"github.com/org/vdi-operator/pkg/config"
)

// operatorLabels are on the operator's configuration in the chart, whatever its name is.
var operatorLabels = map[string]string{"app.kubernetes.io/component": "operator"}

// installed is what the plugin needs of an installation's configuration. It reads no more of
// it, as the plugin may be older than the operator.
type installed struct {
	// namespace is where the chart is installed.
	namespace string
	URL       config.URL  `json:"url"`
	Keys      config.Keys `json:"keys"`
	Auth      signingIn   `json:"auth"`
	// Namespaces are those whose sessions it serves; empty is all.
	Namespaces []string `json:"namespaces"`
}

// signingIn is whether people sign in, rather than come by links alone.
type signingIn struct {
	OIDC      any `json:"oidc"`
	Forwarded any `json:"forwarded"`
}

// signsIn says that a person can open a session without a link.
func (i installed) signsIn() bool { return i.Auth.OIDC != nil || i.Auth.Forwarded != nil }

// findInstallation reads the configuration of the operator in a namespace.
func findInstallation(ctx context.Context, c client.Client, namespace string) (installed, error) {
	found := installed{namespace: namespace, URL: config.Default().URL}
	var maps corev1.ConfigMapList
	if err := c.List(ctx, &maps, client.InNamespace(namespace), client.MatchingLabels(operatorLabels)); err != nil {
		return found, fmt.Errorf("finding the operator's configuration in namespace %s: %w", namespace, err)
	}
	maps.Items = slices.DeleteFunc(maps.Items, func(cm corev1.ConfigMap) bool { return cm.Data["config.yaml"] == "" })
	if n := len(maps.Items); n != 1 {
		return found, fmt.Errorf("namespace %s holds %d ConfigMaps of an operator, want 1: name the chart's namespace "+
			"with --system-namespace", namespace, n)
	}
	if err := yaml.Unmarshal([]byte(maps.Items[0].Data["config.yaml"]), &found); err != nil {
		return found, fmt.Errorf("ConfigMap %s/%s: %w", namespace, maps.Items[0].Name, err)
	}
	if found.URL.Domain == "" {
		return found, fmt.Errorf("ConfigMap %s/%s: its config.yaml has no url.domain: is it the chart's?", namespace, maps.Items[0].Name)
	}
	return found, nil
}

// notServing says why the installation does not serve a namespace; empty where it does.
func (i installed) notServing(namespace string) string {
	if len(i.Namespaces) == 0 || slices.Contains(i.Namespaces, namespace) {
		return ""
	}
	return fmt.Sprintf("the installation in namespace %s serves the sessions of %s, not of %s: add that to its watchNamespaces, "+
		"or name the installation that serves it with --system-namespace", i.namespace, strings.Join(i.Namespaces, ", "), namespace)
}

// holderOf is the namespace of the installation that has claimed a namespace of sessions; empty
// where none has, or where that may not be read.
func holderOf(ctx context.Context, c client.Reader, namespace string) (string, error) {
	holder, err := claims.Holder(ctx, c, namespace)
	if apierrors.IsForbidden(err) {
		return "", nil
	}
	system, _, _ := strings.Cut(holder, "/")
	return system, err
}

// unserved are those of these namespaces whose sessions nobody keeps current, as far as that
// can be read: the installation that has claimed one does not watch it any more, or is gone.
func unserved(ctx context.Context, c client.Client, namespaces []string) []string {
	return slices.DeleteFunc(namespaces, func(namespace string) bool {
		system, err := holderOf(ctx, c, namespace)
		if err != nil || system == "" {
			return true
		}
		i, err := findInstallation(ctx, c, system)
		return err != nil || i.notServing(namespace) == ""
	})
}
