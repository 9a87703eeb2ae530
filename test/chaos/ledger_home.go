package chaos

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/pods"
)

// homes begin with this: pkg/workload/home.go.
const homes = "vdi-home-"

// homeOf is the claim that a pod has as its home; empty without one.
func homeOf(p *corev1.Pod) string {
	for _, v := range p.Spec.Volumes {
		if c := v.PersistentVolumeClaim; c != nil && strings.HasPrefix(c.ClaimName, homes) {
			return c.ClaimName
		}
	}
	return ""
}

// sessionOf is a pod's, by namespace and name.
func sessionOf(p *corev1.Pod) string { return p.Namespace + "/" + p.Labels[v1alpha1.LabelSession] }

// judgeHome looks, when a pod is made, whether another one has its home.
//
// One case is not the operator's: where a step took the other pod away, Kubernetes itself makes
// the next one at once, as docs/concepts.md says. It is excused unless the operator itself asked
// for the new one. So are two of one ReplicaSet: back from an outage of the API server it may count a
// pod that ends, delete the new one as one too many, and make a third. So is a pod that Kubernetes made
// of a shape that is asked for no more, such as that of a deleted Deployment whose ReplicaSet its
// collector had yet to find: it ends in the same moment.
func (l *Ledger) judgeHome(made *podLife, at time.Time) {
	for _, other := range l.pods {
		if other == made || other.gone || other.Namespace != made.Namespace || homeOf(made.Pod) == "" || homeOf(other.Pod) != homeOf(made.Pod) || pods.Ended(other.Pod) {
			continue
		}
		made.beside = true
		l.later(judgement{at: at, revision: made.made, of: OnePodPerHome, session: sessionOf(made.Pod), judge: func() string {
			killed := l.killed[other.UID] > 0
			same := other.Labels[v1alpha1.LabelSession] == made.Labels[v1alpha1.LabelSession]
			if same && (killed || l.recounted(made, other)) && !l.asked(made, other.made) || same && l.outdated(other) && other.ready == 0 {
				return ""
			}
			return fmt.Sprintf("pod %s/%s of session %s was made while pod %s of session %s was there (killed by a step: %t), and both have %s",
				made.Namespace, made.Name, made.Labels[v1alpha1.LabelSession], other.Name, other.Labels[v1alpha1.LabelSession], killed, homeOf(made.Pod))
		}})
	}
}

// recounted says that one ReplicaSet has made both, and deleted the other before it made this one,
// after an outage in which versions were missed.
func (l *Ledger) recounted(made, other *podLife) bool {
	a, b := metav1.GetControllerOf(made), metav1.GetControllerOf(other)
	return a != nil && b != nil && a.UID == b.UID && a.Kind == "ReplicaSet" &&
		other.ended > 0 && other.ended < made.made && l.unknown(other.made, made.made)
}

// asked says that a pod's Deployment was scaled from zero between a revision and the pod's making.
func (l *Ledger) asked(made *podLife, since uint64) bool {
	s := l.shapeOf(made)
	return s != nil && slices.ContainsFunc(s.asked, func(r uint64) bool { return r > since && r < made.made })
}
