package knativeconfig

import (
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

const conflictRemedy = "Let that owner set it so or leave it out, as docs/knative.md says, or set knative.applyConfig=false and set " +
	"the key yourself."

// verdict is the condition, and when to reconcile again.
type verdict struct {
	status          metav1.ConditionStatus
	reason, message string
	again           time.Duration
}

// verdict is what the places say together.
func (p plan) verdict(apply bool, places []place) verdict {
	switch {
	case !apply && len(p.unmet) > 0:
		return verdict{metav1.ConditionFalse, v1alpha1.ReasonNotApplied, fmt.Sprintf(
			"knative.applyConfig is false, and these keys are not as desktops need them: %s. "+
				"Set them as docs/knative.md says.", join(p.unmet, "; ")), resync}
	case len(p.conflicts) > 0:
		return verdict{metav1.ConditionFalse, v1alpha1.ReasonConflict, join(p.conflicts, "; ") + ". " + conflictRemedy, resync}
	}
	return verdict{metav1.ConditionTrue, v1alpha1.ReasonAsNeeded,
		"Everything that desktops need is set in " + join(places, " and ") + ".", resync}
}

// unlessWaiting is the verdict, or that the Knative Operator has not written yet what is
// set in its resource.
func (v verdict) unlessWaiting(configMaps map[string]*unstructured.Unstructured, conflicts []conflict, serving string) verdict {
	var late []field
	for _, need := range requirements {
		cm := place{object: configMaps[need.configMap]}
		for _, key := range need.unmet(cm.data(need.configMap)) {
			f := field{need.configMap, key}
			if !slices.ContainsFunc(conflicts, func(c conflict) bool { return c.field == f }) {
				late = append(late, f)
			}
		}
	}
	if v.status != metav1.ConditionTrue || len(late) == 0 {
		return v
	}
	return verdict{metav1.ConditionFalse, v1alpha1.ReasonWaitingForKnativeOperator, fmt.Sprintf(
		"KnativeServing %s has what desktops need, and the Knative Operator has not written it to the config maps yet: %s. If it stays so, "+
			"see its log and kubectl describe knativeserving -A", serving, join(late, "; ")), retry}
}

func failed(p place, err error) verdict {
	switch {
	case apierrors.IsForbidden(err):
		return verdict{metav1.ConditionFalse, v1alpha1.ReasonForbidden, fmt.Sprintf(
			"The operator may not change %s: helm upgrade writes its Role there anew. %v", p, err), retry}
	case apierrors.IsConflict(err):
		// Somebody was faster than we; the next pass sees what they did.
		return verdict{metav1.ConditionUnknown, v1alpha1.ReasonChanging, fmt.Sprintf("%s changes at this moment: %v", p, err), retry}
	}
	return verdict{metav1.ConditionFalse, v1alpha1.ReasonRefused, fmt.Sprintf(
		"%s cannot be changed: %v. While Knative's webhook is down this is so; it is tried again.", p, err), retry}
}

func join[T fmt.Stringer](list []T, separator string) string {
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = v.String()
	}
	return strings.Join(words, separator)
}
