package main

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	netv1alpha1 "knative.dev/networking/pkg/apis/networking/v1alpha1"
	autoscalingv1alpha1 "knative.dev/serving/pkg/apis/autoscaling/v1alpha1"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
)

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	types := runtime.NewSchemeBuilder(clientgoscheme.AddToScheme, v1alpha1.AddToScheme, servingv1.AddToScheme,
		autoscalingv1alpha1.AddToScheme, netv1alpha1.AddToScheme)
	return scheme, types.AddToScheme(scheme)
}

// cacheOptions keep in memory only what belongs to sessions of this installation's
// namespaces: a cluster has many more pods, Secrets and claims than desktops.
// Templates are cluster-wide, whatever the namespaces.
func cacheOptions(cfg config.Config) cache.Options {
	ofSession := having(v1alpha1.LabelSession)
	options := cache.Options{
		DefaultNamespaces: map[string]cache.Config{}, // if empty, all
		DefaultTransform:  cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}:                   {Label: ofSession},
			&corev1.Secret{}:                {Label: ofSession},
			&corev1.Service{}:               {Label: ofSession},
			&appsv1.Deployment{}:            {Label: ofSession},
			&networkingv1.NetworkPolicy{}:   {Label: having(v1alpha1.LabelDesktopNetwork)},
			&corev1.PersistentVolumeClaim{}: {Label: having(v1alpha1.LabelUser)},
		},
	}
	for _, namespace := range cfg.Namespaces {
		options.DefaultNamespaces[namespace] = cache.Config{}
	}
	return options
}

// clientOptions read from the API server itself what the installation has no business
// to watch: objects of the kind that desktops don't run on, which are left from before.
func clientOptions(cfg config.Config) client.Options {
	other := client.Object(&servingv1.Service{})
	if cfg.Knative.Enabled {
		other = &corev1.Service{}
	}
	return client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{other}}}
}

// having selects by a label of this product's, whatever its value.
func having(label string) labels.Selector {
	selector, err := labels.Parse(label)
	utilruntime.Must(err)
	return selector
}
