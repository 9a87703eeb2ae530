package config

import "k8s.io/apimachinery/pkg/util/validation/field"

// Doze is whether desktops may be frozen in their pods, by a program on each node.
type Doze struct {
	// Enabled looks for these programs.
	Enabled bool `json:"enabled"`
	// Selector are the labels of their pods, in the installation's namespace; it must be set
	// where Enabled is.
	Selector map[string]string `json:"selector"`
}

// validate says what is missing; sessions ask for more than there is where they doze without it.
func (d Doze) validate(sessions Sessions) (errs field.ErrorList) {
	path := field.NewPath("doze")
	switch {
	case d.Enabled && len(d.Selector) == 0:
		errs = append(errs, field.Required(path.Child("selector"),
			"set the labels of the pods that freeze desktops, such as app.kubernetes.io/component: node"))
	case !d.Enabled && sessions.DozeAfter.OrZero() > 0:
		errs = append(errs, field.Invalid(field.NewPath("sessions", "dozeAfter"), sessions.DozeAfter.String(),
			"needs the program on each node that freezes desktops: set doze.enabled to true, or sessions.dozeAfter to 0s"))
	}
	return errs
}
