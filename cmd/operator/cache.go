package main

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	netv1alpha1 "knative.dev/networking/pkg/apis/networking/v1alpha1"
	autoscalingv1alpha1 "knative.dev/serving/pkg/apis/autoscaling/v1alpha1"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/trim"
)

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	types := runtime.NewSchemeBuilder(clientgoscheme.AddToScheme, v1alpha1.AddToScheme, servingv1.AddToScheme,
		autoscalingv1alpha1.AddToScheme, netv1alpha1.AddToScheme)
	return scheme, types.AddToScheme(scheme)
}

// knativeKinds are those of Knative's that are watched. Knative passes a Service's labels on
// to all that it makes for it (serving v0.50.0, pkg/reconciler/service/resources and
// pkg/reconciler/configuration/resources/revision.go).
var knativeKinds = []client.Object{&servingv1.Service{}, &autoscalingv1alpha1.PodAutoscaler{}, &netv1alpha1.ServerlessService{}, &netv1alpha1.Ingress{}}

// cacheOptions keep in memory only what belongs to sessions of this installation's
// namespaces: a cluster has many more pods, Secrets, claims and Knative Services than
// desktops. Templates are cluster-wide, whatever the namespaces.
func cacheOptions(cfg config.Config) cache.Options {
	ofSession := having(v1alpha1.LabelSession)
	options := cache.Options{
		DefaultNamespaces: map[string]cache.Config{}, // if empty, all
		DefaultTransform:  trim.Object,
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}:                   {Label: ofSession},
			&corev1.Secret{}:                {Label: ofSession},
			&corev1.Service{}:               {Label: ofSession},
			&appsv1.Deployment{}:            {Label: ofSession},
			&networkingv1.NetworkPolicy{}:   {Label: having(v1alpha1.LabelDesktopNetwork)},
			&policyv1.PodDisruptionBudget{}: {Label: having(v1alpha1.LabelDesktopBudget)},
			&corev1.PersistentVolumeClaim{}: {Label: having(v1alpha1.LabelUser)},
		},
	}
	if cfg.Knative.Enabled {
		for _, kind := range knativeKinds {
			options.ByObject[kind] = cache.ByObject{Label: ofSession}
		}
	}
	if cfg.PrePull.Enabled {
		ours := cache.Config{LabelSelector: labels.SelectorFromSet(labels.Set{v1alpha1.LabelPrePull: cfg.Installation.Name})}
		options.ByObject[&appsv1.DaemonSet{}] = cache.ByObject{Namespaces: map[string]cache.Config{cfg.Installation.Namespace: ours}}
	}
	for _, namespace := range cfg.Namespaces {
		options.DefaultNamespaces[namespace] = cache.Config{}
	}
	return options
}

// newCache is cache.New, which asks whether kinds have namespaces, and would fail where
// Knative is not installed yet: the operator waits for that.
func newCache(rc *rest.Config, options cache.Options) (cache.Cache, error) {
	known := meta.NewDefaultRESTMapper(nil)
	for _, o := range knativeKinds {
		kind, err := apiutil.GVKForObject(o, options.Scheme)
		if err != nil {
			return nil, err
		}
		known.Add(kind, meta.RESTScopeNamespace)
	}
	options.Mapper = meta.FirstHitRESTMapper{MultiRESTMapper: meta.MultiRESTMapper{known, options.Mapper}}
	return cache.New(rc, options)
}

// clientOptions read from the API server itself what an installation without Knative has no
// business to watch: Knative Services that are left from before.
func clientOptions(cfg config.Config) client.Options {
	if cfg.Knative.Enabled {
		return client.Options{}
	}
	return client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&servingv1.Service{}}}}
}

// having selects by a label of this product's, whatever its value.
func having(label string) labels.Selector {
	selector, err := labels.Parse(label)
	utilruntime.Must(err)
	return selector
}
