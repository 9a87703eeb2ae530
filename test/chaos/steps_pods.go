package chaos

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// ofPods is what happens to pods and their nodes.
var ofPods = map[string]kind{
	"evict": {family: "pods", weight: 5, do: ofPod(func(p *player, ctx context.Context, _ Step, pod *corev1.Pod) error {
		return p.api.SubResource("eviction").Create(ctx, pod, &policyv1.Eviction{})
	})},
	"pod goes": {family: "pods", weight: 5, do: ofPod(func(p *player, ctx context.Context, _ Step, pod *corev1.Pod) error {
		return p.api.Delete(ctx, pod)
	})},
	"pod goes by force": {family: "pods", weight: 2, do: ofPod(func(p *player, ctx context.Context, _ Step, pod *corev1.Pod) error {
		return p.api.Delete(ctx, pod, client.GracePeriodSeconds(0))
	})},
	"crash": {family: "crashes", weight: 8, do: func(p *player, _ context.Context, s Step) error {
		if pod := p.podOf(s); pod != nil {
			p.ledger.Crashed(pod.UID)
			p.nodes.crash(pod.UID, between(s, 100*time.Millisecond, 3*time.Second))
		}
		return nil
	}},
	"node is lost": {family: "nodes", weight: 2, says: nodeSays, do: func(p *player, ctx context.Context, s Step) error { return p.nodes.loses(ctx, nodeSays(s)) }},
	"node is back": {family: "nodes", weight: 6, says: nodeSays, do: func(p *player, _ context.Context, s Step) error {
		p.nodes.lose(nodeSays(s), false)
		return nil
	}},
}

func nodeSays(s Step) string { return one(s, nodeNames...) }

// ofPod does something to the newest pod of a step's session, which is a step's doing.
func ofPod(do func(*player, context.Context, Step, *corev1.Pod) error) func(*player, context.Context, Step) error {
	return func(p *player, ctx context.Context, s Step) error {
		pod := p.podOf(s)
		if pod == nil {
			return errNotThere
		}
		spare := p.ledger.Killed(pod.UID)
		err := do(p, ctx, s, pod)
		if apierrors.IsTooManyRequests(err) || apierrors.IsConflict(err) {
			spare()
		}
		return err
	}
}

func (p *player) podOf(s Step) (newest *corev1.Pod) {
	for _, pod := range p.ledger.Pods() {
		if pod.Namespace == p.key(s).Namespace && pod.Labels[v1alpha1.LabelSession] == p.key(s).Name {
			newest = pod
		}
	}
	return newest
}

// ofRefusals is what keeps pods from being made.
var ofRefusals = map[string]kind{
	"quota": {family: "quota", weight: 3, do: func(p *player, ctx context.Context, s Step) error {
		return p.create(ctx, p.quota(casts[s.Session].space))
	}},
	"no quota": {family: "quota", weight: 6, do: func(p *player, ctx context.Context, s Step) error {
		return client.IgnoreNotFound(p.api.Delete(ctx, p.quota(casts[s.Session].space)))
	}},
	"pod security": {family: "pod security", weight: 3, do: func(p *player, ctx context.Context, s Step) error {
		return p.enforce(ctx, casts[s.Session].space, `"restricted"`)
	}},
	"no pod security": {family: "pod security", weight: 6, do: func(p *player, ctx context.Context, s Step) error {
		return p.enforce(ctx, casts[s.Session].space, "null")
	}},
}

// quota lets no pod be made in a space.
func (p *player) quota(space string) *corev1.ResourceQuota {
	return &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace(space), Name: "none"},
		Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: {}}}}
}

// enforce sets a space's level of PodSecurity.
func (p *player) enforce(ctx context.Context, space, level string) error {
	patch := fmt.Appendf(nil, `{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":%s}}}`, level)
	return p.api.Patch(ctx, p.newSpace(space), client.RawPatch(types.MergePatchType, patch))
}
