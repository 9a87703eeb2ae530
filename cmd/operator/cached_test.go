//go:build integration

package main

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/apitest"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
)

func TestSomebodyElsesKnativeServicesAreNotKept(t *testing.T) {
	crds, err := apitest.Knative()
	require.NoError(t, err)
	env, err := apitest.Start(crds...)
	require.NoError(t, err)
	defer func() { require.NoError(t, env.Stop()) }()
	scheme, err := newScheme()
	require.NoError(t, err)
	api, err := client.New(env.Config, client.Options{Scheme: scheme})
	require.NoError(t, err)
	for name, labels := range map[string]map[string]string{"theirs": nil, "ada": {v1alpha1.LabelSession: "ada"}} {
		require.NoError(t, api.Create(t.Context(), &servingv1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, Labels: labels, Annotations: map[string]string{corev1.LastAppliedConfigAnnotation: "{}"}},
			Spec: servingv1.ServiceSpec{ConfigurationSpec: servingv1.ConfigurationSpec{Template: servingv1.RevisionTemplateSpec{
				Spec: servingv1.RevisionSpec{PodSpec: corev1.PodSpec{Containers: []corev1.Container{{Image: "dev.local/desktop:1"}}}}}}}}))
	}

	options := cacheOptions(config.Default())
	options.Scheme = scheme
	httpClient, err := rest.HTTPClientFor(env.Config)
	require.NoError(t, err)
	options.Mapper, err = apiutil.NewDynamicRESTMapper(env.Config, httpClient)
	require.NoError(t, err)
	c, err := newCache(env.Config, options)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Start(ctx) }()
	defer func() {
		cancel()
		require.NoError(t, <-ended)
	}()
	var kept servingv1.ServiceList
	eventually.NoError(t, "the cache to be full", func() error { return c.List(t.Context(), &kept) })
	require.Len(t, kept.Items, 1)
	assert.Equal(t, "ada", kept.Items[0].Name)
	assert.Empty(t, kept.Items[0].ManagedFields)
	assert.NotContains(t, kept.Items[0].Annotations, corev1.LastAppliedConfigAnnotation)
}
