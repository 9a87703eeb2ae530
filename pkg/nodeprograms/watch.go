package nodeprograms

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/org/vdi-operator/pkg/trim"
)

// Watch keeps an installation's Programs. It has a cache of its own: without the right to read
// the programs' pods nothing dozes, and all else goes on.
type Watch struct {
	// Config reaches the API server; Options are those of a cache, with the scheme.
	Config  *rest.Config
	Options cache.Options
	// Namespace is the installation's, and Selector the labels of the programs' pods there.
	Namespace string
	Selector  map[string]string
	Programs  *Programs
}

// +kubebuilder:rbac:groups="",resources=pods,namespace=vdi-system,verbs=list;watch

// Start watches until ctx ends.
func (w *Watch) Start(ctx context.Context) error {
	options := w.Options
	options.DefaultNamespaces = map[string]cache.Config{w.Namespace: {}}
	options.DefaultLabelSelector = labels.SelectorFromSet(w.Selector)
	options.DefaultTransform = trim.Object
	programs, err := cache.New(w.Config, options)
	if err != nil {
		return fmt.Errorf("watching the programs on nodes: %w", err)
	}
	informer, err := programs.GetInformer(ctx, &corev1.Pod{}, cache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("watching the programs on nodes: %w", err)
	}
	if _, err := informer.AddEventHandler(w.Programs); err != nil {
		return fmt.Errorf("watching the programs on nodes: %w", err)
	}
	return programs.Start(ctx)
}
