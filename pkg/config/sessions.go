package config

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// Sessions are what holds for sessions whose template and spec say nothing.
type Sessions struct {
	// Lifecycle has their clocks.
	v1alpha1.Lifecycle `json:",inline"`
	// KeepWorkloadFor is how long a desktop that sleeps keeps what it runs on, which its next
	// wake then need not make; 0 is not at all.
	KeepWorkloadFor metav1.Duration `json:"keepWorkloadFor"`
}

func (l Sessions) validate() (errs field.ErrorList) {
	if keep := l.KeepWorkloadFor.Duration; keep < 0 || keep > lifecycle.Longest {
		errs = append(errs, field.Invalid(field.NewPath("sessions", "keepWorkloadFor"), keep.String(),
			fmt.Sprintf("must be between 0s, to keep nothing, and %s", lifecycle.Longest)))
	}
	remedy := fmt.Sprintf("must be between %s and %s, or 0s to switch the clock off", lifecycle.Shortest, lifecycle.Longest)
	for _, clock := range lifecycle.Clocks {
		path := field.NewPath("sessions", clock.Name)
		switch set := clock.Setting(l.Lifecycle); {
		case set == nil:
			errs = append(errs, field.Required(path, remedy))
		case set.OrZero() != 0 && (set.OrZero() < lifecycle.Shortest || set.OrZero() > lifecycle.Longest):
			errs = append(errs, field.Invalid(path, set.String(), remedy))
		}
	}
	return errs
}
