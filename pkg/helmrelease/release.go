// Package helmrelease says what Helm is doing with a release, by the labels of what Helm
// stores of it in the release's namespace.
//
// It promises to read nothing but metadata: what is stored has all values and manifests in it.
// The labels are those of Helm 3 and 4 (pkg/storage/driver/secrets.go and cfgmaps.go).
package helmrelease

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Storage is the kind of object in which Helm stores releases.
type Storage string

// Secret is what Helm takes by default, ConfigMap what HELM_DRIVER=configmap asks for.
const (
	Secret    Storage = "Secret"
	ConfigMap Storage = "ConfigMap"
)

const (
	ownerLabel, owner = "owner", "helm"
	nameLabel         = "name"
	revisionLabel     = "version"
	statusLabel       = "status"
	// uninstalling is what a release is from before the first pre-delete hook on: Helm stores
	// it again before it makes each hook (pkg/action/hooks.go).
	uninstalling = "uninstalling"
)

// Release is one of Helm's.
type Release struct {
	Name, Namespace string
	Storage         Storage
}

// Validate says what is wrong with it, and what to do.
func (r Release) Validate() error {
	switch {
	case r.Name == "":
		return fmt.Errorf("no release is named: give its name")
	case r.Storage != Secret && r.Storage != ConfigMap:
		return fmt.Errorf("storage of releases %q: must be %s or %s", r.Storage, Secret, ConfigMap)
	}
	return nil
}

// Uninstalling returns nil where Helm is uninstalling the release, and an error that says what
// is known of it otherwise. Earlier revisions say nothing: one whose uninstall failed stays as
// it was then when an upgrade makes another.
func (r Release) Uninstalling(ctx context.Context, c client.Reader) error {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(string(r.Storage) + "List"))
	err := c.List(ctx, list, client.InNamespace(r.Namespace), client.MatchingLabels{ownerLabel: owner, nameLabel: r.Name})
	if err != nil {
		return fmt.Errorf("what Helm stores of release %s in namespace %s cannot be read: %w", r.Name, r.Namespace, err)
	}
	if len(list.Items) == 0 {
		return fmt.Errorf("namespace %s has no %s of Helm's for a release %q", r.Namespace, r.Storage, r.Name)
	}
	last := slices.MaxFunc(list.Items, func(a, b metav1.PartialObjectMetadata) int { return cmp.Compare(revision(&a), revision(&b)) })
	if status := last.Labels[statusLabel]; status != uninstalling {
		return fmt.Errorf("the release %s in namespace %s is %s, by Helm's %s %s", r.Name, r.Namespace, status, r.Storage, last.Name)
	}
	return nil
}

// revision is 0 where it is no number.
func revision(o *metav1.PartialObjectMetadata) int {
	n, _ := strconv.Atoi(o.Labels[revisionLabel])
	return n
}
