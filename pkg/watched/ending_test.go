package watched

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestAnErrorOfANamespaceThatEndsIsToldFromOthers(t *testing.T) {
	ends := apierrors.NewForbidden(corev1.Resource("pods"), "a", errors.New("ends"))
	ends.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"it ends":              {fmt.Errorf("apply: %w", ends), true},
		"it is gone":           {apierrors.NewNotFound(corev1.Resource("namespaces"), "team"), true},
		"something else gone":  {apierrors.NewNotFound(corev1.Resource("pods"), "a"), false},
		"a right that lacks":   {apierrors.NewForbidden(corev1.Resource("pods"), "a", errors.New("no")), false},
		"no answer of the API": {errors.New("no route"), false},
		"nothing":              {nil, false},
	} {
		assert.Equal(t, c.want, EndingError(c.err), name)
	}
}
