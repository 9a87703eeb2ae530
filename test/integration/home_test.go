//go:build integration

package integration

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/controller/session"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/workload"
)

// givenDeleting creates a template that deletes homes, and a session of it with a
// policy of its own.
func givenDeleting(t *testing.T, namespace, name string, policy v1alpha1.ReclaimPolicy) *v1alpha1.VDISession {
	t.Helper()
	template := newTemplate(namespace)
	template.Spec.Persistence.ReclaimPolicy = v1alpha1.ReclaimDelete
	require.NoError(t, client.IgnoreAlreadyExists(api.Create(t.Context(), template)))
	s := newSession(namespace, name, namespace)
	s.Spec.Persistence = &v1alpha1.SessionPersistence{ReclaimPolicy: policy}
	require.NoError(t, api.Create(t.Context(), s))
	return s
}

// deleted deletes a session, does what the garbage collector does, and waits.
func deleted(t *testing.T, s *v1alpha1.VDISession) {
	t.Helper()
	require.NoError(t, api.Delete(t.Context(), s))
	eventually.NoError(t, "the session is gone", func() error {
		err := api.DeleteAllOf(t.Context(), &appsv1.Deployment{}, client.InNamespace(s.Namespace), client.MatchingLabels{v1alpha1.LabelSession: s.Name})
		return errors.Join(err, absent(t, &v1alpha1.VDISession{ObjectMeta: s.ObjectMeta}))
	})
}

// homeStays wants the session's home to be there, nobody's.
func homeStays(t *testing.T, s *v1alpha1.VDISession) {
	t.Helper()
	home := homeOf(s)
	require.NoError(t, api.Get(t.Context(), client.ObjectKeyFromObject(home), home), "the home is lost")
	require.Nil(t, home.DeletionTimestamp, "the home was deleted")
	assert.Empty(t, home.Annotations[v1alpha1.AnnotationHeldBy], "the home is still held")
}

func TestASessionTakesNoHomeWithItThatAnotherOneCreated(t *testing.T) {
	// The template lets homes go: so only who created the home keeps it here.
	for name, second := range map[string]string{"another session of the user": "thief", "one of the same name": "victim"} {
		t.Run(name, func(t *testing.T) {
			ns := space(t)
			victim := givenDeleting(t, ns, "victim", v1alpha1.ReclaimRetain)
			awaitCondition(t, victim, v1alpha1.ConditionHomeReady, metav1.ConditionTrue, v1alpha1.ReasonHomeHeld)
			deleted(t, victim)

			thief := givenDeleting(t, ns, second, v1alpha1.ReclaimDelete)
			c := awaitCondition(t, thief, v1alpha1.ConditionHomeReady, metav1.ConditionTrue, v1alpha1.ReasonHomeRetained)
			wantText(t, c.Message, homeOf(thief).Name, "was not created for this session alone")
			assert.Equal(t, corev1.EventTypeWarning, awaitEvent(t, ns, second, v1alpha1.ReasonHomeRetained).Type)
			deleted(t, thief)
			homeStays(t, thief)
		})
	}
}

func TestAHomeOfAnEarlierInstallationStays(t *testing.T) {
	ns := space(t)
	s := newSession(ns, "ada", ns)
	home := workload.HomeClaim(newTemplate(ns), s)
	delete(home.Annotations, v1alpha1.AnnotationCreatedBy)
	require.NoError(t, api.Create(t.Context(), home))
	s = givenDeleting(t, ns, "ada", "")
	awaitCondition(t, s, v1alpha1.ConditionHomeReady, metav1.ConditionTrue, v1alpha1.ReasonHomeRetained)
	deleted(t, s)
	homeStays(t, s)
}

func TestASessionDoesNotDeleteWhatItsTemplateRetains(t *testing.T) {
	ns := space(t)
	s := given(t, ns, "ada")
	awaitCondition(t, s, v1alpha1.ConditionHomeReady, metav1.ConditionTrue, v1alpha1.ReasonHomeHeld)
	require.NoError(t, patchSession(t, s, `{"spec":{"persistence":{"reclaimPolicy":"Delete"}}}`))
	c := awaitCondition(t, s, v1alpha1.ConditionHomeReady, metav1.ConditionTrue, v1alpha1.ReasonHomeRetained)
	wantText(t, c.Message, "spec.persistence.reclaimPolicy is Delete", ns, "Retain")
	awaitPhase(t, s, v1alpha1.PhaseAsleep)

	merge(t, newTemplate(ns), `{"spec":{"persistence":{"reclaimPolicy":"Delete"}}}`)
	awaitCondition(t, s, v1alpha1.ConditionHomeReady, metav1.ConditionTrue, v1alpha1.ReasonHomeHeld)
	merge(t, newTemplate(ns), `{"spec":{"persistence":{"reclaimPolicy":"Retain"}}}`)
	awaitCondition(t, s, v1alpha1.ConditionHomeReady, metav1.ConditionTrue, v1alpha1.ReasonHomeRetained)
	deleted(t, s)
	homeStays(t, s)
}

func TestAHomeThatAnotherSessionHasUsedGoesWithNeither(t *testing.T) {
	ns := space(t)
	first := givenDeleting(t, ns, "first", "")
	awaitCondition(t, first, v1alpha1.ConditionHomeReady, metav1.ConditionTrue, v1alpha1.ReasonHomeHeld)
	require.NoError(t, patchSession(t, first, `{"spec":{"persistence":{"enabled":false}}}`))
	awaitCondition(t, first, v1alpha1.ConditionHomeReady, metav1.ConditionTrue, v1alpha1.ReasonNoHome)
	second := givenDeleting(t, ns, "second", "")
	awaitCondition(t, second, v1alpha1.ConditionHomeReady, metav1.ConditionTrue, v1alpha1.ReasonHomeRetained)
	deleted(t, second)
	homeStays(t, second)

	require.NoError(t, patchSession(t, first, `{"spec":{"persistence":{"enabled":true}}}`))
	awaitCondition(t, first, v1alpha1.ConditionHomeReady, metav1.ConditionTrue, v1alpha1.ReasonHomeRetained)
	deleted(t, first)
	homeStays(t, first)
}

func TestAHomeThatIsTakenWhileItsSessionGoesStays(t *testing.T) {
	reconcile := operatorByHand(t)
	deletes := newTemplate("deletes-homes-late")
	deletes.Spec.Persistence.ReclaimPolicy = v1alpha1.ReclaimDelete
	require.NoError(t, api.Create(t.Context(), deletes))
	s := inUnserved(t, "late", func(s *v1alpha1.VDISession) { s.Spec.Template = deletes.Name })
	reconcile(s)
	taken := interceptor.NewClient(api, interceptor.Funcs{
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			merge(t, o, `{"metadata":{"annotations":{"`+v1alpha1.AnnotationHeldBy+`":"another"}}}`)
			return c.Delete(ctx, o, opts...)
		},
	})
	err := session.LetGo(t.Context(), taken, get(t, s))
	require.True(t, apierrors.IsConflict(err), "%v", err)
	home := homeOf(s)
	require.NoError(t, api.Get(t.Context(), client.ObjectKeyFromObject(home), home))
	require.Nil(t, home.DeletionTimestamp, "the home was deleted")
	// The next attempt sees who has it.
	require.NoError(t, session.LetGo(t.Context(), api, get(t, s)))
	require.NoError(t, api.Get(t.Context(), client.ObjectKeyFromObject(home), home))
	assert.Equal(t, "another", home.Annotations[v1alpha1.AnnotationHeldBy])
	require.NoError(t, api.Delete(t.Context(), s))
}
