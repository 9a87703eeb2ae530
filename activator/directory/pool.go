package directory

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// pool are the pods that wait in warm pools, and those that were claimed from one; the
// directory's lock guards it.
type pool struct {
	// owners are the sessions that have claimed them, by UID, and empty for those that wait.
	owners map[types.UID]owner
	// claims is closed when a pod was claimed, or a session came.
	claims chan struct{}
}

type owner struct {
	session types.NamespacedName
	uid     types.UID
}

// set records a pod; one that is not of a pool is left out.
func (p *pool) set(pod *corev1.Pod) {
	of := owner{session: types.NamespacedName{Namespace: pod.Namespace, Name: pod.Labels[v1alpha1.LabelSession]}}
	_, is := pod.Labels[v1alpha1.LabelSession]
	if by := metav1.GetControllerOf(pod); of.session.Name != "" {
		is = by != nil && by.Kind == v1alpha1.KindSession
		if is {
			of.uid = by.UID
		}
	}
	if !is {
		delete(p.owners, pod.UID)
		return
	}
	if was, known := p.owners[pod.UID]; known && was == of {
		return
	}
	p.owners[pod.UID] = of
	p.notify()
}

func (p *pool) notify() {
	close(p.claims)
	p.claims = make(chan struct{})
}

// OfPod is the session that has claimed a pod from a warm pool; claimed is false while it waits for
// one. known is false of a pod that is, or was, in none. The channel is closed when that may be
// different.
func (d *Directory) OfPod(pod types.UID) (v View, claimed, known bool, changed <-chan struct{}) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	of, known := d.pool.owners[pod]
	if of.session.Name == "" {
		return View{}, false, known, d.pool.claims
	}
	v, claimed = d.view(of.session)
	if claimed && v.Session.UID != of.uid {
		return View{}, false, known, d.pool.claims
	}
	return v, claimed, known, d.pool.claims
}
