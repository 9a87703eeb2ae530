package config

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

func validateSessions(l v1alpha1.Lifecycle) (errs field.ErrorList) {
	remedy := fmt.Sprintf("must be %s or longer, or 0s to switch the clock off", lifecycle.Shortest)
	for _, clock := range lifecycle.Clocks {
		path := field.NewPath("sessions", clock.Name)
		switch set := clock.Setting(l); {
		case set == nil:
			errs = append(errs, field.Required(path, remedy))
		case set.OrZero() != 0 && set.OrZero() < lifecycle.Shortest:
			errs = append(errs, field.Invalid(path, set.String(), remedy))
		}
	}
	return errs
}
