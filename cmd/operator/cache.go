package main

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	netv1alpha1 "knative.dev/networking/pkg/apis/networking/v1alpha1"
	autoscalingv1alpha1 "knative.dev/serving/pkg/apis/autoscaling/v1alpha1"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, v1alpha1.AddToScheme,
		servingv1.AddToScheme, autoscalingv1alpha1.AddToScheme, netv1alpha1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("scheme: %w", err)
		}
	}
	return scheme, nil
}

// cacheOptions keep in memory only what belongs to sessions: a cluster has many more
// pods, Secrets and claims than desktops.
func cacheOptions(knativeNamespace string) cache.Options {
	ofSession, ofUser := having(v1alpha1.LabelSession), having(v1alpha1.LabelUser)
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}:                   {Label: ofSession},
			&corev1.Secret{}:                {Label: ofSession},
			&appsv1.Deployment{}:            {Label: ofSession},
			&networkingv1.NetworkPolicy{}:   {Label: having(v1alpha1.LabelDesktopNetwork)},
			&corev1.PersistentVolumeClaim{}: {Label: ofUser},
			&corev1.ConfigMap{}:             {Namespaces: map[string]cache.Config{knativeNamespace: {}}},
		},
	}
}

func having(label string) labels.Selector {
	exists, err := labels.NewRequirement(label, selection.Exists, nil)
	if err != nil {
		panic(err) // The label is a constant of this product.
	}
	return labels.NewSelector().Add(*exists)
}
