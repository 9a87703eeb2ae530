package template

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/controller/session"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// stage is a cluster, and what its API server answers.
type stage struct {
	client.Client
	// create and write are the answers to a trial and to a status.
	create, write error
	trials        int
	writes        int
}

func newStage(t *testing.T, objects ...client.Object) *stage {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme, servingv1.AddToScheme} {
		require.NoError(t, add(scheme))
	}
	s := &stage{}
	s.Client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithStatusSubresource(&v1alpha1.VDITemplate{}).
		WithIndex(&v1alpha1.VDISession{}, session.IndexTemplate, func(o client.Object) []string { return []string{o.(*v1alpha1.VDISession).Spec.Template} }).
		WithInterceptorFuncs(interceptor.Funcs{
			Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
				s.trials++
				assert.Contains(t, opts, client.DryRunAll, "something would be made")
				if s.create != nil {
					return s.create
				}
				return c.Create(ctx, o, opts...)
			},
			SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
				s.writes++
				if s.write != nil {
					return s.write
				}
				return c.SubResource(sub).Patch(ctx, o, p, opts...)
			},
		}).Build()
	return s
}

// operator is the controller of an installation that runs desktops as Deployments.
func (s *stage) operator(name string) *Reconciler {
	cfg := config.Default()
	cfg.Knative.Enabled, cfg.Installation.Name = false, name
	return &Reconciler{Client: s, Config: cfg, Now: func() time.Time { return now }}
}

func (s *stage) reconcile(t *testing.T, r *Reconciler) ctrl.Result {
	t.Helper()
	result, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Name: "kde"}})
	require.NoError(t, err)
	return result
}

func (s *stage) status(t *testing.T) v1alpha1.VDITemplateStatus {
	t.Helper()
	tm := &v1alpha1.VDITemplate{}
	require.NoError(t, s.Get(t.Context(), client.ObjectKey{Name: "kde"}, tm))
	return tm.Status
}

func (s *stage) valid(t *testing.T) metav1.Condition {
	t.Helper()
	c := meta.FindStatusCondition(s.status(t).Conditions, v1alpha1.ConditionValid)
	require.NotNil(t, c)
	return *c
}

// change changes the template as the API server does, which counts generations.
func (s *stage) change(t *testing.T, change func(*v1alpha1.VDITemplateSpec)) {
	t.Helper()
	tm := &v1alpha1.VDITemplate{}
	require.NoError(t, s.Get(t.Context(), client.ObjectKey{Name: "kde"}, tm))
	change(&tm.Spec)
	tm.Generation++
	require.NoError(t, s.Update(t.Context(), tm))
}

func kde() *v1alpha1.VDITemplate {
	return &v1alpha1.VDITemplate{ObjectMeta: metav1.ObjectMeta{Name: "kde", Generation: 1}, Spec: v1alpha1.VDITemplateSpec{Image: "desktop:1"}}
}

func of(name string, phase v1alpha1.Phase) *v1alpha1.VDISession {
	return &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: "desktops", Name: name},
		Spec: v1alpha1.VDISessionSpec{User: name, Template: "kde"}, Status: v1alpha1.VDISessionStatus{Phase: phase}}
}

func TestATemplatesSessionsAreCountedByPhase(t *testing.T) {
	other := of("h", v1alpha1.PhaseRunning)
	other.Spec.Template = "xfce"
	s := newStage(t, kde(), other, of("a", v1alpha1.PhaseRunning), of("b", v1alpha1.PhaseRunning), of("c", v1alpha1.PhaseCreating),
		of("d", v1alpha1.PhaseAsleep), of("e", v1alpha1.PhaseFailed), of("f", v1alpha1.PhaseTerminating), of("g", ""))
	s.reconcile(t, s.operator("vdi"))
	assert.Equal(t, &v1alpha1.TemplateSessions{Total: 7, Awake: 3, Pending: 1, Creating: 1, Running: 2, Asleep: 1, Failed: 1, Terminating: 1},
		s.status(t).Sessions)
}

func TestATemplateAtRestIsNotWrittenAndNotTriedAgain(t *testing.T) {
	s := newStage(t, kde(), of("a", v1alpha1.PhaseAsleep))
	r := s.operator("vdi")
	for range 3 {
		assert.Zero(t, s.reconcile(t, r).RequeueAfter)
	}
	assert.Equal(t, 1, s.writes, "writes")
	assert.Equal(t, 1, s.trials, "trials")
	assert.Equal(t, v1alpha1.ReasonAccepted, s.valid(t).Reason)
}

func TestABadPodTemplateIsNamedWithItsRemedyUntilItIsMended(t *testing.T) {
	s := newStage(t, kde())
	r := s.operator("vdi")
	s.change(t, func(spec *v1alpha1.VDITemplateSpec) {
		spec.PodTemplate = &runtime.RawExtension{Raw: []byte(`{"spec":{"nodeSelectr":{"gpu":"yes"}}}`)}
	})
	s.reconcile(t, r)
	c := s.valid(t)
	assert.Equal(t, metav1.ConditionFalse, c.Status)
	assert.Equal(t, v1alpha1.ReasonInvalidTemplate, c.Reason)
	for _, part := range []string{`template "kde"`, "spec.podTemplate", "nodeSelectr", "kubectl explain pod.spec"} {
		assert.Contains(t, c.Message, part)
	}
	assert.Zero(t, s.trials, "there is nothing to ask the API server about")
	s.change(t, func(spec *v1alpha1.VDITemplateSpec) {
		spec.PodTemplate = &runtime.RawExtension{Raw: []byte(`{"spec":{"nodeSelector":{"gpu":"yes"}}}`)}
	})
	s.reconcile(t, r)
	assert.Equal(t, metav1.ConditionTrue, s.valid(t).Status)
	assert.EqualValues(t, 3, s.valid(t).ObservedGeneration)
}

func TestWhatTheAPIServerSaysOfATemplate(t *testing.T) {
	deployment := schema.GroupKind{Group: "apps", Kind: "Deployment"}
	resource := schema.GroupResource{Group: "apps", Resource: "deployments"}
	for name, tc := range map[string]struct {
		answer error
		status metav1.ConditionStatus
		reason string
		says   []string
	}{
		"it takes it": {nil, metav1.ConditionTrue, v1alpha1.ReasonAccepted, nil},
		"a field is wrong": {apierrors.NewInvalid(deployment, sample, field.ErrorList{
			field.Invalid(field.NewPath("spec", "template", "spec", "containers").Index(0).Child("env").Index(2).Child("name"), "a=b", "no variable")}),
			metav1.ConditionFalse, v1alpha1.ReasonRefused, []string{"refuse", "spec.containers[0].env[2].name", `"a=b"`, "no variable", "Correct"}},
		"a webhook refuses it": {apierrors.NewBadRequest("admission webhook denied the request: must not set hostNetwork"),
			metav1.ConditionFalse, v1alpha1.ReasonRefused, []string{"hostNetwork", `namespace "vdi-system"`}},
		"a webhook takes no dry run": {apierrors.NewBadRequest(`admission webhook "x" does not support dry run`), metav1.ConditionTrue,
			v1alpha1.ReasonNotTried, []string{"not known", `"x"`}},
		"it may not be asked":    {apierrors.NewForbidden(resource, sample, errors.New("no")), metav1.ConditionTrue, v1alpha1.ReasonNotTried, []string{"not known", "no"}},
		"the namespace is gone":  {apierrors.NewNotFound(corev1.Resource("namespaces"), "vdi-system"), metav1.ConditionTrue, v1alpha1.ReasonNotTried, []string{"vdi-system"}},
		"it does not answer now": {apierrors.NewInternalError(errors.New("webhook is away")), metav1.ConditionTrue, v1alpha1.ReasonNotTried, []string{"could not be asked"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, kde())
			s.create = tc.answer
			again := s.reconcile(t, s.operator("vdi")).RequeueAfter
			c := s.valid(t)
			assert.Equal(t, tc.status, c.Status)
			assert.Equal(t, tc.reason, c.Reason)
			assert.Equal(t, tc.answer != nil, again > 0, "asked again after %s", again)
			for _, part := range tc.says {
				assert.Contains(t, c.Message, part)
			}
		})
	}
}

func TestWhatWasKnownHoldsWhileTheAPIServerDoesNotAnswer(t *testing.T) {
	s := newStage(t, kde())
	r := s.operator("vdi")
	s.create = apierrors.NewBadRequest("hostNetwork")
	s.reconcile(t, r)
	refused := s.valid(t)
	r.Now = func() time.Time { return now.Add(askAgain) }
	s.create = apierrors.NewInternalError(errors.New("webhook is away"))
	s.reconcile(t, r)
	assert.Equal(t, refused, s.valid(t))
	r.Now = func() time.Time { return now.Add(2 * askAgain) }
	s.create = nil
	s.reconcile(t, r)
	assert.Equal(t, v1alpha1.ReasonAccepted, s.valid(t).Reason, "what refused it is gone")
}

func TestTheLastChangeNamesTheFieldsOfItsGeneration(t *testing.T) {
	s := newStage(t, kde())
	r := s.operator("vdi")
	s.reconcile(t, r)
	require.Nil(t, s.status(t).LastChange, "nothing was changed yet")
	s.change(t, func(spec *v1alpha1.VDITemplateSpec) {
		spec.Image, spec.Env = "desktop:2", []corev1.EnvVar{{Name: "TZ", Value: "UTC"}}
	})
	s.reconcile(t, r)
	at := metav1.NewTime(now).Rfc3339Copy()
	require.NotNil(t, s.status(t).LastChange)
	assert.True(t, at.Equal(&s.status(t).LastChange.Time))
	assert.Equal(t, []string{"env", "image"}, s.status(t).LastChange.Fields)
	s.change(t, func(spec *v1alpha1.VDITemplateSpec) { spec.Env = nil })
	s.reconcile(t, r)
	assert.Equal(t, []string{"env"}, s.status(t).LastChange.Fields)
	assert.EqualValues(t, 3, s.status(t).LastChange.Generation)
}

func TestInstallationsShareATemplatesStatusAndNoneUndoesAnothers(t *testing.T) {
	s := newStage(t, kde(), of("a", v1alpha1.PhaseRunning))
	here, there := s.operator("here"), s.operator("there")
	s.reconcile(t, here)
	s.create = apierrors.NewBadRequest("hostNetwork")
	s.reconcile(t, there)
	c := s.valid(t)
	assert.Equal(t, metav1.ConditionFalse, c.Status)
	assert.Contains(t, c.Message, "In installation vdi-system/there: ")
	assert.EqualValues(t, 2, s.status(t).Sessions.Running, "the sum of what both count")
	for range 2 {
		s.reconcile(t, here)
		s.reconcile(t, there)
	}
	assert.Equal(t, 2, s.writes, "one by each")

	// What was said of another generation is no verdict on this one.
	s.create = nil
	s.change(t, func(spec *v1alpha1.VDITemplateSpec) { spec.Image = "desktop:2" })
	s.reconcile(t, here)
	assert.Equal(t, metav1.ConditionTrue, s.valid(t).Status)
	require.NoError(t, Withdraw(t.Context(), s, there.Config.Installation))
	assert.EqualValues(t, 1, s.status(t).Sessions.Total)
	require.NoError(t, Withdraw(t.Context(), s, here.Config.Installation))
	assert.Empty(t, s.status(t).Installations)
	assert.Empty(t, s.status(t).Conditions, "nobody says anything of it any more")
}

func TestAnInstallationWithoutTheRightLeavesTemplatesAloneForAWhile(t *testing.T) {
	s := newStage(t, kde())
	r := s.operator("vdi")
	s.write = apierrors.NewForbidden(schema.GroupResource{Group: v1alpha1.GroupName, Resource: "vditemplates"}, "kde", errors.New("no"))
	assert.Equal(t, forbiddenRetry, s.reconcile(t, r).RequeueAfter)
	assert.Equal(t, forbiddenRetry, s.reconcile(t, r).RequeueAfter)
	assert.Equal(t, 1, s.writes)
	s.write, r.Now = nil, func() time.Time { return now.Add(forbiddenRetry) }
	s.reconcile(t, r)
	assert.Equal(t, metav1.ConditionTrue, s.valid(t).Status)
}

func TestAStatusThatAnotherInstallationWroteMeanwhileIsWrittenAnew(t *testing.T) {
	s := newStage(t, kde())
	s.write = apierrors.NewConflict(schema.GroupResource{Group: v1alpha1.GroupName, Resource: "vditemplates"}, "kde", errors.New("changed"))
	assert.Equal(t, conflictRetry, s.reconcile(t, s.operator("vdi")).RequeueAfter)
}

func TestAMessageFitsIntoACondition(t *testing.T) {
	s := newStage(t, kde())
	s.change(t, func(spec *v1alpha1.VDITemplateSpec) {
		spec.PodTemplate = &runtime.RawExtension{Raw: []byte(`{"spec":{"` + strings.Repeat("ä", 40000) + `":1}}`)}
	})
	s.reconcile(t, s.operator("vdi"))
	assert.Less(t, len(s.valid(t).Message), longestMessage+8)
}

// shelf is where images are kept.
type shelf struct {
	report  v1alpha1.TemplatePrePull
	again   time.Duration
	images  []string
	dropped []string
}

func (s *shelf) Keep(_ context.Context, _ *v1alpha1.VDITemplate, desktop *corev1.PodSpec) (*v1alpha1.TemplatePrePull, time.Duration) {
	s.images = append(s.images, desktop.Containers[0].Image)
	return s.report.DeepCopy(), s.again
}

func (s *shelf) Drop(_ context.Context, template string) error {
	s.dropped = append(s.dropped, template)
	return nil
}

func TestATemplateSaysOnHowManyNodesItsImagesAreAsLongAsItIsValid(t *testing.T) {
	s := newStage(t, kde())
	r := s.operator("vdi")
	kept := &shelf{report: v1alpha1.TemplatePrePull{Desired: 3, Ready: 1, Message: "no disk"}, again: time.Second}
	r.PrePull = kept
	assert.Equal(t, time.Second, s.reconcile(t, r).RequeueAfter)
	assert.Equal(t, &kept.report, s.status(t).PrePull)
	assert.Equal(t, []string{"desktop:1"}, kept.images)
	assert.Empty(t, kept.dropped)

	other := s.operator("other")
	other.PrePull = &shelf{report: v1alpha1.TemplatePrePull{Desired: 2, Ready: 2}}
	s.reconcile(t, other)
	assert.Equal(t, &v1alpha1.TemplatePrePull{Desired: 5, Ready: 3, Message: "In installation vdi-system/vdi: no disk"}, s.status(t).PrePull)

	s.change(t, func(spec *v1alpha1.VDITemplateSpec) {
		spec.PodTemplate = &runtime.RawExtension{Raw: []byte(`{"spec":{"x":1}}`)}
	})
	s.reconcile(t, r)
	assert.Equal(t, []string{"kde"}, kept.dropped)
	st := s.status(t)
	assert.Nil(t, entry(&st, "vdi-system/vdi").PrePull)
	require.NoError(t, s.Delete(t.Context(), kde()))
	s.reconcile(t, r)
	assert.Equal(t, []string{"kde", "kde"}, kept.dropped)
}
