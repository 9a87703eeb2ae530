package harness

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/org/vdi-operator/test/helm"
)

// Objects names everything in the cluster, of whatever kind, that carries the labels
// of the release.
func (in *Installation) Objects(ctx context.Context, r helm.Release) ([]string, error) {
	kinds, err := discovery.NewDiscoveryClientForConfigOrDie(in.Config).ServerPreferredResources()
	if err != nil {
		return nil, err
	}
	config := rest.CopyConfig(in.Config)
	// Every kind is looked at, those that are about to go included.
	config.WarningHandler = rest.NoWarnings{}
	client, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, group := range kinds {
		version, err := schema.ParseGroupVersion(group.GroupVersion)
		if err != nil {
			return nil, err
		}
		for i := range group.APIResources {
			kind := &group.APIResources[i]
			if !slices.Contains(kind.Verbs, "list") {
				continue
			}
			list, err := client.Resource(version.WithResource(kind.Name)).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=" + r.Name})
			if err != nil {
				return nil, fmt.Errorf("list %s: %w", kind.Name, err)
			}
			for j := range list.Items {
				found = append(found, kind.Kind+" "+list.Items[j].Name)
			}
		}
	}
	return found, nil
}
