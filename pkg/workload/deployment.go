package workload

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

const (
	// terminationGraceSeconds is what a desktop gets to end in. Under Knative it has as
	// much, after the 30 s in which its proxy drains.
	terminationGraceSeconds = 30
	// keptReplicaSets is how many ReplicaSets of earlier shapes are kept: nobody rolls a
	// desktop back, and each would be an object for every session.
	keptReplicaSets = 0
	// portEnv says where the desktop listens, as Knative does for every container.
	portEnv = "PORT"
)

// Deployment runs a desktop as a plain Deployment, without anything of Knative. The
// Service beside it gives the session the in-cluster name that it has with Knative, and
// leads where that leads: to the activator, which wakes the desktop.
type Deployment struct {
	Client client.Client
	// API reads from the API server itself, for objects that are not the product's and
	// so are in no cache.
	API client.Reader
	// asked is what the API server was asked about drift.
	asked answers
}

var (
	_ Workload = (*Deployment)(nil)
	_ former   = (*Deployment)(nil)
)

// Watched implements Workload.
func (d *Deployment) Watched() []client.Object {
	return []client.Object{&appsv1.Deployment{}, &corev1.Service{}, &corev1.Pod{}}
}

func (d *Deployment) deployments(live Live) applied[*appsv1.Deployment] {
	return applied[*appsv1.Deployment]{
		answers: &d.asked,
		what:    "Deployment", resource: appsv1.Resource("deployments"), live: live,
		change: func(existing, desired *appsv1.Deployment) {
			replicas := existing.Spec.Replicas // Scale's
			existing.Spec = desired.Spec
			existing.Spec.Replicas = replicas
		},
		spec: func(d *appsv1.Deployment) any { return rounded(d.Spec.Template.Spec) },
	}
}

// Apply implements Workload.
func (d *Deployment) Apply(ctx context.Context, s *v1alpha1.VDISession, shape Shape, live Live) (Delay, error) {
	deployment, service, err := plain(shape)
	if err != nil {
		return Delay{}, err
	}
	waits, err := applyName(ctx, d.Client, d.API, s, service)
	if err != nil {
		return Delay{}, err
	}
	pod, err := finishing(ctx, d.Client, s.Namespace, &deployment.Spec.Template.Spec)
	if err != nil {
		return Delay{}, err
	}
	if pod == nil {
		deployment.Spec.Replicas = new(int32(1))
	}
	stops, idle, err := d.stopsFirst(ctx, s, deployment, live)
	if err != nil || stops {
		return Delay{Reason: v1alpha1.ReasonPreparing, Message: "Deployment is scaled to zero before it changes.", Again: FinishingRetry, Stops: true}, err
	}
	deployments := d.deployments(live)
	deployments.idle = func(existing *appsv1.Deployment) bool { return idle && Replicas(existing) == 0 && !unsettled(existing) }
	delay, err := deployments.apply(ctx, d.Client, d.API, s, deployment)
	if delay.None() {
		delay = waits
	}
	return delay, err
}

// stopsFirst says that another shape has to wait, where the deployment may be about to get a pod of
// the one that it has: Kubernetes would make one of each, as it retries what a quota has refused
// while it learns of the change. It scales such a deployment to zero, which Kubernetes has to have
// seen; then the deployment is idle, and changes whoever waits for it. Where there is a pod, that
// goes first (the strategy Recreate).
func (d *Deployment) stopsFirst(ctx context.Context, s *v1alpha1.VDISession, desired *appsv1.Deployment, live Live) (stops, idle bool, err error) {
	existing := &appsv1.Deployment{}
	has, err := own(ctx, d.Client, s, existing)
	if err != nil || !has || !existing.DeletionTimestamp.IsZero() || sameShape(existing, desired) {
		return false, false, err
	}
	if there, err := PodsOf(ctx, d.Client, s); err != nil || len(there) > 0 {
		return false, false, err
	}
	if unsettled(existing) {
		askAgain(ctx, d.Client, s, existing, time.Now())
		return true, false, nil
	}
	if Replicas(existing) == 0 {
		return false, true, nil
	}
	if live, err := live(ctx); err != nil || live {
		return false, false, err
	}
	stops, err = scaleDeployment(ctx, d.Client, existing, 0)
	return stops, false, err
}

// Rest implements Workload.
func (d *Deployment) Rest(ctx context.Context, s *v1alpha1.VDISession, shape Shape, keep bool, may func() bool) (Rested, error) {
	deployment, service, err := plain(shape)
	if err != nil {
		return Rested{}, err
	}
	waits, err := applyName(ctx, d.Client, d.API, s, service)
	if err != nil {
		return Rested{}, err
	}
	existing := &appsv1.Deployment{}
	has, err := own(ctx, d.Client, s, existing)
	if err != nil {
		return Rested{}, err
	}
	still := !has || stopped(existing)
	if has {
		askAgain(ctx, d.Client, s, existing, time.Now())
	}
	rested, err := d.deployments(nil).rest(ctx, d.Client, s, deployment, keep, func() bool { return still && may() })
	rested.Again, rested.Stopped = max(rested.Again, waits.Again), still
	return rested, err
}

// Scale implements Workload.
func (d *Deployment) Scale(ctx context.Context, s *v1alpha1.VDISession, awake bool, live Live) (bool, error) {
	deployment := &appsv1.Deployment{}
	has, err := own(ctx, d.Client, s, deployment)
	if err != nil || !has || !deployment.DeletionTimestamp.IsZero() {
		return false, err
	}
	if !awake {
		return stop(ctx, d.Client, live, deployment)
	}
	if err := giveWay(ctx, d.Client, d.API, s, deployment); err != nil {
		return false, err
	}
	return start(ctx, d.Client, s, deployment)
}

// Observe implements Workload.
func (d *Deployment) Observe(ctx context.Context, s *v1alpha1.VDISession) (Observation, error) {
	o, err := ObservePods(ctx, d.Client, s)
	if err != nil {
		return o, err
	}
	deployment := &appsv1.Deployment{}
	has, err := own(ctx, d.Client, s, deployment)
	if err != nil || !has {
		return o, err
	}
	o.Exists = true
	switch {
	case Replicas(deployment) == 0:
		return atZero(ctx, d.Client, s, deployment, o)
	case o.Pod == nil:
		o.Progress = noPod(deployment)
	}
	return o, nil
}

// noPod says why a deployment that is to run has no pod, such as a quota that is full.
func noPod(d *appsv1.Deployment) Progress {
	if c := refusedPod(d); c != nil {
		return Progress{Reason: v1alpha1.ReasonPodNotCreated, Detail: c.Message, Stuck: true}.say("The desktop's pod cannot be created", "")
	}
	return Progress{}
}

// left implements former.
func (d *Deployment) left(ctx context.Context, s *v1alpha1.VDISession) (string, error) {
	has, err := own(ctx, d.Client, s, &appsv1.Deployment{})
	switch {
	case err != nil:
		return "", err
	case has:
		return fmt.Sprintf("Deployment %q", s.Name), nil
	}
	return podOf(ctx, d.Client, s, func(p *corev1.Pod) bool { return !ofRevision(p) && !Claimed(s, p) })
}

// Delete implements Workload. The Deployment goes last, after its pods: as long as it
// is there, it is known that something is.
func (d *Deployment) Delete(ctx context.Context, s *v1alpha1.VDISession) (string, error) {
	if err := removeName(ctx, d.Client, s); err != nil {
		return "", err
	}
	deployment := &appsv1.Deployment{}
	has, err := own(ctx, d.Client, s, deployment)
	switch {
	case err != nil:
		return "", err
	case has && !deployment.DeletionTimestamp.IsZero():
		return d.abandon(ctx, s, deployment)
	case has:
		return fmt.Sprintf("Deployment %q", s.Name),
			remove(ctx, d.Client, deployment, client.PropagationPolicy(metav1.DeletePropagationForeground))
	}
	d.asked.Delete(s.UID)
	return podOf(ctx, d.Client, s, lasts)
}

// abandon lets a deployment go that is being deleted and waits for nothing but pods of lost
// nodes. Its name is free then.
func (d *Deployment) abandon(ctx context.Context, s *v1alpha1.VDISession, deployment *appsv1.Deployment) (string, error) {
	only, err := onlyAbandoned(ctx, d.Client, s)
	if err != nil || !only {
		return fmt.Sprintf("Deployment %q", s.Name), err
	}
	return "", client.IgnoreNotFound(d.Client.Delete(ctx, deployment, client.PropagationPolicy(metav1.DeletePropagationBackground),
		client.Preconditions{UID: &deployment.UID}))
}

// plain renders a shape. What it returns is hashed before the API server fills in
// defaults, so that a change is one of template, session or configuration.
func plain(shape Shape) (*appsv1.Deployment, *corev1.Service, error) {
	pod := *shape.Pod.DeepCopy()
	complete(&pod.Spec)
	// One name at each wake, by which browsers know whose locks in the home are their own.
	if pod.Spec.Hostname == "" {
		pod.Spec.Hostname = shape.Name
	}
	deployment := &appsv1.Deployment{
		ObjectMeta: shape.meta(),
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(0)),
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{v1alpha1.LabelSession: shape.Name}},
			Template: pod,
			// Two pods of one desktop would need two GPUs and write to one home.
			Strategy:                appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType},
			RevisionHistoryLimit:    new(int32(keptReplicaSets)),
			ProgressDeadlineSeconds: new(int32(shape.progressDeadline().Seconds())),
		},
	}
	service, err := nameOf(shape)
	return deployment, service, errors.Join(err, stamp(deployment, shape))
}

// complete gives a pod what Knative gives to its own, and what it allows none to have (serving
// v0.50.0, fieldmask.go): a home of a million files that kubelet does not walk through each time.
func complete(pod *corev1.PodSpec) {
	if pod.TerminationGracePeriodSeconds == nil {
		pod.TerminationGracePeriodSeconds = new(int64(terminationGraceSeconds))
	}
	setPort(pod.Containers)
	namePod(pod.Containers)
	if s := pod.SecurityContext; s != nil && s.FSGroup != nil && s.FSGroupChangePolicy == nil {
		s.FSGroupChangePolicy = new(corev1.FSGroupChangeOnRootMismatch)
	}
}

// namePod tells the agent its pod's name, which the host name is not. Knative allows fields of the
// pod in the environment only with a feature of its own, and its pods' host names are their names.
func namePod(containers []corev1.Container) {
	for i := range containers {
		if c := &containers[i]; c.Name == v1alpha1.ContainerAgent {
			c.Env = append(c.Env, corev1.EnvVar{Name: agentPodEnv, ValueFrom: &corev1.EnvVarSource{
				FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.name"}}})
		}
	}
}

// setPort gives the desktop's container the variable that Knative gives it, so that
// one template serves both.
func setPort(containers []corev1.Container) {
	for i := range containers {
		c := &containers[i]
		named := slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == portEnv })
		if c.Name == v1alpha1.ContainerDesktop && !named && len(c.Ports) > 0 {
			c.Env = append(c.Env, corev1.EnvVar{Name: portEnv, Value: strconv.Itoa(int(c.Ports[0].ContainerPort))})
		}
	}
}
