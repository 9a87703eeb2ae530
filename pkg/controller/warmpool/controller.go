// Package warmpool keeps desktops of templates started before anybody asks for one, frozen where
// their nodes can do that, and gives them to sessions that would start from zero.
//
// It promises that a pod is given to one session at most and never back, that nothing waits of a
// shape that its template does not have any more, and that what a session waits for is not kept
// from it by what nobody uses. What is refused is tried again slowly, and said. It knows nothing
// of when a desktop is to be awake.
package warmpool

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/controller/session"
	"github.com/org/vdi-operator/pkg/token"
	"github.com/org/vdi-operator/pkg/watched"
	"github.com/org/vdi-operator/pkg/workload"
)

const (
	// refusedPause is how long none is made where the API server has refused one, by a quota
	// for example: what it goes by may change unseen.
	refusedPause = time.Minute
	// lookAgain is how often a pool is looked at that is not as it is to be, or whose desktops
	// may be frozen: sessions that wait and programs on nodes bring it no event.
	lookAgain = 10 * time.Second
	// shownWithin is how long the cache may be behind what was made.
	shownWithin = 10 * time.Second
	// tokenLife is how long a pod's tokens are good: as long as those of a session's.
	tokenLife = 365 * 24 * time.Hour

	// prefix begins the names of pods that wait; longestName keeps each, with what distinguishes
	// it, within the 63 characters of a host's name.
	prefix      = "vdi-pool-"
	longestName = 40
)

// Metrics counts what happens to pools.
type Metrics interface {
	// PoolRefused takes one of metrics.PoolRefusals.
	PoolRefused(reason string)
	// PoolClaim takes one of metrics.PoolClaims.
	PoolClaim(result string)
}

// Namespaces knows which namespaces are being deleted.
type Namespaces interface {
	Ending(namespace string) bool
}

// Claims knows which installation serves a namespace.
type Claims interface {
	// Other is another installation that serves it; empty where this one does.
	Other(ctx context.Context, namespace string) (string, error)
}

// Reconciler keeps the pools of all templates.
type Reconciler struct {
	Client client.Client
	// API reads from the API server itself.
	API      client.Reader
	Config   config.Config
	Workload *workload.Pooled
	Signer   *token.Signer
	Metrics  Metrics
	// Namespaces and Claims say where this installation has no business; nil know of none.
	Namespaces Namespaces
	Claims     Claims
	// Programs freeze desktops on their nodes, by Orders; nil freezes none.
	Programs session.Programs
	Orders   session.Orders
	// Now is the clock.
	Now func() time.Time

	freezes
	mu sync.Mutex
	// refusals are the last of each pool, pauses what nodes ask of each, reports what there is to say
	// of each template; mu guards them, and made.
	refusals map[place]refusal
	pauses   map[place]map[string]pause
	// made are when pods of each pool were made that the cache has not shown yet, by name.
	made    map[place]map[string]time.Time
	reports map[string]v1alpha1.TemplateWarmPool
	// changed brings the templates whose report has changed; Changed makes it.
	changed chan event.TypedGenericEvent[string]
}

// place is one pool.
type place struct{ template, namespace string }

// refusal is what the API server said of a pod.
type refusal struct {
	until   time.Time
	message string
}

// +kubebuilder:rbac:groups=vdi.kasm.io,resources=vditemplates,verbs=get;list;watch
// +kubebuilder:rbac:groups=vdi.kasm.io,resources=vdisessions,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;create

// Reconcile keeps the pools of one template.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	t := &v1alpha1.VDITemplate{}
	err := r.Client.Get(ctx, req.NamespacedName, t)
	if client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, err
	}
	if err != nil || !t.DeletionTimestamp.IsZero() {
		t = &v1alpha1.VDITemplate{ObjectMeta: metav1.ObjectMeta{Name: req.Name}} // without a pool
	}
	waiting, claimed, err := r.pods(ctx, t.Name)
	if err != nil {
		return ctrl.Result{}, err
	}
	r.forget(t.Name, waiting)
	said := report{}
	said.Claimed = int32(claimed) //nolint:gosec // Of pods in memory.
	var errs []error
	for _, namespace := range r.namespaces(t, waiting) {
		if err := r.keep(ctx, t, namespace, waiting[namespace], &said); err != nil {
			errs = append(errs, fmt.Errorf("warm pool of template %q in namespace %s: %w", t.Name, namespace, err))
		}
	}
	if len(errs) == 0 { // otherwise not all is known
		r.say(t, said)
	}
	var again time.Duration
	if !said.again.IsZero() {
		again = max(said.again.Sub(r.Now()), time.Second)
	}
	return ctrl.Result{RequeueAfter: again}, errors.Join(errs...)
}

// pods are those of a template that wait, by namespace, and how many were claimed.
func (r *Reconciler) pods(ctx context.Context, template string) (waiting map[string][]*corev1.Pod, claimed int, err error) {
	list := &corev1.PodList{}
	if err := r.Client.List(ctx, list, client.MatchingLabels{v1alpha1.LabelTemplate: template}); err != nil {
		return nil, 0, err
	}
	waiting = map[string][]*corev1.Pod{}
	for i := range list.Items {
		switch pod := &list.Items[i]; {
		case workload.Waits(pod):
			waiting[pod.Namespace] = append(waiting[pod.Namespace], pod)
		case ofPool(pod) && pod.DeletionTimestamp.IsZero():
			claimed++
		}
	}
	return waiting, claimed, nil
}

// namespaces are those that a template is to have desktops waiting in, or has.
func (r *Reconciler) namespaces(t *v1alpha1.VDITemplate, waiting map[string][]*corev1.Pod) (all []string) {
	for namespace := range waiting {
		all = append(all, namespace)
	}
	if t.Spec.WarmPool != nil {
		all = append(all, t.Spec.WarmPool.Namespaces...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// serves says whether a namespace is this installation's business.
func (r *Reconciler) serves(ctx context.Context, namespace string) (bool, error) {
	if len(r.Config.Namespaces) > 0 && !slices.Contains(r.Config.Namespaces, namespace) || r.Namespaces != nil && r.Namespaces.Ending(namespace) {
		return false, nil
	}
	if r.Claims == nil {
		return true, nil
	}
	other, err := r.Claims.Other(ctx, namespace)
	if apierrors.IsNotFound(err) { // there is no such namespace, which making a pod says better
		return true, nil
	}
	return other == "", err
}

// keep takes one pool a step towards what it is to be.
func (r *Reconciler) keep(ctx context.Context, t *v1alpha1.VDITemplate, namespace string, waiting []*corev1.Pod, said *report) error {
	if serves, err := r.serves(ctx, namespace); err != nil || !serves {
		return err
	}
	at := place{t.Name, namespace}
	p := pool{waiting: waiting, unseen: r.unseen(at, waiting)}
	var shape workload.Shape
	if w := t.Spec.WarmPool; w != nil && slices.Contains(w.Namespaces, namespace) {
		var err error
		p.replicas, p.maxAge = int(w.Replicas), w.MaxAge.OrZero()
		said.Desired += w.Replicas
		if shape, p.hash, err = r.shape(t, namespace); err != nil {
			said.because(v1alpha1.ReasonInvalidTemplate, err.Error())
			p.replicas = 0
		} else if p.sessionsFirst, err = r.sessionsWait(ctx, &shape.Pod.Spec); err != nil {
			return err
		}
	}
	r.mu.Lock()
	refused := r.refusals[at]
	r.mu.Unlock()
	p.refusedUntil = refused.until
	paused := r.paused(at)
	p.fewer, p.fewerUntil = paused.fewer, paused.until
	plan := p.decide(r.Now())
	for _, pod := range plan.remove {
		switch err := remove(ctx, r.Client, pod); {
		case apierrors.IsConflict(err): // the cache is behind
			said.returnAt(r.Now())
		case err != nil:
			return err
		}
	}
	for range plan.create {
		if refused = r.make(ctx, t, namespace, shape); refused.message != "" {
			plan.again = refused.until
			break
		}
	}
	r.setRefusal(at, refused)
	for _, pod := range plan.starting {
		if err := r.ensureTokens(ctx, pod); err != nil {
			return err
		}
	}
	said.Ready += int32(len(plan.ready))               //nolint:gosec // Replicas at most.
	said.Dozing += int32(r.freeze(ctx, t, plan.ready)) //nolint:gosec // As above.
	said.of(p, plan, refused, paused)
	said.returnAt(plan.again)
	if p.replicas > 0 && (len(plan.ready) < p.replicas || r.Programs != nil) {
		said.returnAt(r.Now().Add(lookAgain))
	}
	return nil
}

// shape is what waits of a template, and its hash.
func (r *Reconciler) shape(t *v1alpha1.VDITemplate, namespace string) (workload.Shape, string, error) {
	s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: sample}, Spec: v1alpha1.VDISessionSpec{User: sample, Template: t.Name}}
	if workload.HomeEnabled(t, s) { // with a definition from before spec.warmPool
		return workload.Shape{}, "", errors.New("spec.warmPool: a running pod cannot gain a volume, so desktops with a home cannot wait: " +
			"set spec.persistence.enabled to false, or remove spec.warmPool; an image may mount a home by itself, as docs/warm-pool.md says")
	}
	shape, err := workload.Build(r.Config, t, s, 0)
	if err != nil {
		return shape, "", err
	}
	pod, err := workload.PoolPod(shape, "")
	if err != nil {
		return shape, "", err
	}
	return shape, pod.Annotations[v1alpha1.AnnotationShapeHash], nil
}

// sample names the session and the user that a pool's shape is built for; neither is in it.
const sample = "sample--session"

// sessionsWait says that a session waits for a device, such as a GPU, that a pod asks for.
func (r *Reconciler) sessionsWait(ctx context.Context, pod *corev1.PodSpec) (bool, error) {
	for _, c := range pod.Containers {
		for name := range c.Resources.Limits {
			if !strings.Contains(string(name), "/") {
				continue
			}
			if waits, err := session.WaitFor(ctx, r.Client, name); err != nil || waits {
				return waits, err
			}
		}
	}
	return false, nil
}

// make makes one pod that waits. It returns the API server's refusal, if it is one.
func (r *Reconciler) make(ctx context.Context, t *v1alpha1.VDITemplate, namespace string, shape workload.Shape) refusal {
	base := prefix + t.Name
	name := fmt.Sprintf("%s-%s", strings.TrimRight(base[:min(len(base), longestName)], "-"), rand.String(10))
	pod, err := workload.PoolPod(shape, name)
	if err == nil {
		pod.Name = name
		// The template's as long as it waits: Kubernetes deletes it with its template. Nobody
		// waits for that, so nothing is blocked.
		pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: v1alpha1.GroupVersion.String(), Kind: "VDITemplate", Name: t.Name, UID: t.UID,
			Controller: new(true)}}
		err = r.Client.Create(ctx, pod)
	}
	if err == nil {
		r.setMade(place{t.Name, namespace}, name)
		err = r.ensureTokens(ctx, pod)
	}
	if err == nil || watched.EndingError(err) {
		return refusal{}
	}
	r.Metrics.PoolRefused(refusedBy(err))
	ctrl.LoggerFrom(ctx).Info("a desktop of a warm pool could not be made", "template", t.Name, "namespace", namespace,
		"retryAfter", refusedPause.String(), "error", err.Error())
	same := strings.ReplaceAll(err.Error(), name, base) // at each attempt: what is new is written
	return refusal{until: r.Now().Add(refusedPause), message: fmt.Sprintf("In namespace %s: %s. It is tried again within %s.", namespace,
		strings.TrimSuffix(same, "."), refusedPause)}
}

// ensureTokens makes the Secret of a pod that starts, which its containers wait for. The tokens
// name the pod: whose they are is known by whose the pod is.
func (r *Reconciler) ensureTokens(ctx context.Context, pod *corev1.Pod) error {
	key := client.ObjectKeyFromObject(pod)
	if err := r.Client.Get(ctx, key, &corev1.Secret{}); !apierrors.IsNotFound(err) {
		return err
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, Labels: map[string]string{
		v1alpha1.LabelSession: "", v1alpha1.LabelTemplate: pod.Labels[v1alpha1.LabelTemplate]},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID, Controller: new(true)}}},
		Data: map[string][]byte{}}
	for name, audience := range map[string]token.Audience{workload.TokenKey: token.AudienceTURN, workload.AgentTokenKey: token.AudienceAgent} {
		signed, err := r.Signer.SignPod(audience, token.Pod{Name: key, UID: pod.UID}, r.Now(), tokenLife)
		if err != nil {
			return err
		}
		secret.Data[name] = []byte(signed)
	}
	return client.IgnoreAlreadyExists(r.Client.Create(ctx, secret))
}

// remove deletes a pod that waits, as it was read: a session may claim it at this moment.
func remove(ctx context.Context, c client.Writer, pod *corev1.Pod) error {
	return client.IgnoreNotFound(c.Delete(ctx, pod, client.Preconditions{UID: &pod.UID, ResourceVersion: &pod.ResourceVersion}))
}

// unseen is how many pods of a pool were made that the cache has not shown yet.
func (r *Reconciler) unseen(at place, waiting []*corev1.Pod) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	made := r.made[at]
	maps.DeleteFunc(made, func(name string, made time.Time) bool {
		seen := func(pod *corev1.Pod) bool { return pod.Name == name }
		return slices.ContainsFunc(waiting, seen) || r.Now().Sub(made) > shownWithin
	})
	return len(made)
}

func (r *Reconciler) setMade(at place, name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.made == nil {
		r.made = map[place]map[string]time.Time{}
	}
	if r.made[at] == nil {
		r.made[at] = map[string]time.Time{}
	}
	r.made[at][name] = r.Now()
}

func (r *Reconciler) setRefusal(at place, is refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if is == (refusal{}) {
		delete(r.refusals, at)
		return
	}
	if r.refusals == nil {
		r.refusals = map[place]refusal{}
	}
	r.refusals[at] = is
}
