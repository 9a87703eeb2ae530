package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/config"
)

func TestNothingButWhatBelongsToSessionsIsKept(t *testing.T) {
	cfg := config.Default()
	require.True(t, cfg.Knative.Enabled)
	o := cacheOptions(cfg)
	for kind, by := range o.ByObject {
		assert.False(t, by.Label.Matches(labels.Set{"app": "somebody's"}), "%T", kind)
	}
	for _, kind := range knativeKinds {
		require.Contains(t, o.ByObject, kind)
		assert.True(t, o.ByObject[kind].Label.Matches(labels.Set{"vdi.kasm.io/session": "ada"}), "%T", kind)
	}
	cfg.PrePull.Enabled = true
	found := false
	for kind, by := range cacheOptions(cfg).ByObject {
		if _, found = kind.(*appsv1.DaemonSet); found {
			assert.Len(t, by.Namespaces, 1)
			assert.False(t, by.Namespaces[cfg.Installation.Namespace].LabelSelector.Matches(labels.Set{"vdi.kasm.io/prepull": "another"}))
			break
		}
	}
	assert.True(t, found, "DaemonSets")
	cfg.Knative.Enabled = false
	for _, kind := range knativeKinds {
		assert.NotContains(t, cacheOptions(cfg).ByObject, kind)
	}
}

func TestACacheNeedsNoKnativeInTheCluster(t *testing.T) {
	scheme, err := newScheme()
	require.NoError(t, err)
	o := cacheOptions(config.Default())
	o.Scheme = scheme
	// The cluster knows Kubernetes' own kinds only.
	own := meta.NewDefaultRESTMapper(nil)
	for kind := range scheme.AllKnownTypes() {
		if !kind.Empty() && (kind.Group == corev1.GroupName || kind.Group == "apps" || kind.Group == "networking.k8s.io" || kind.Group == "policy") {
			own.Add(kind, meta.RESTScopeNamespace)
		}
	}
	o.Mapper = own
	c, err := newCache(&rest.Config{Host: "http://127.0.0.1:1"}, o)
	require.NoError(t, err)
	assert.Implements(t, (*client.Reader)(nil), c)
}
