package main

import (
	"testing"

	"github.com/go-logr/logr/funcr"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"knative.dev/pkg/apis"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// Knative itself says what it says.
func TestWhatKnativeAdvisesOfEachDesktopIsNotLogged(t *testing.T) {
	service := &servingv1.Service{}
	service.Name = "ada"
	service.Spec.Template.Spec.Containers = []corev1.Container{{Image: "desktop:1"}}
	advice := service.Validate(t.Context()).Filter(apis.WarningLevel)
	require.Error(t, advice, "Knative warns of nothing: the filter can go")

	var said []string
	ctx := log.IntoContext(t.Context(), funcr.New(func(_, args string) { said = append(said, args) }, funcr.Options{}))
	w := newWarnings()
	for _, one := range advice.WrappedErrors() {
		w.HandleWarningHeaderWithContext(ctx, 299, "", one.Error())
	}
	assert.Empty(t, said)
	w.HandleWarningHeaderWithContext(ctx, 299, "", "unknown field \"spec.sise\"")
	assert.Len(t, said, 1)
}
