package config

import "k8s.io/apimachinery/pkg/util/validation/field"

// Doze is whether desktops may be frozen in their pods, by a program on each node.
type Doze struct {
	// Enabled looks for these programs.
	Enabled bool `json:"enabled"`
	// Selector are the labels of their pods, in the installation's namespace; it must be set
	// where Enabled is.
	Selector map[string]string `json:"selector"`
	// MemoryPressure is for how much of ten seconds processes of a node wait for memory, in percent,
	// from which on what waits and dozes there gives way; 0 leaves it to kubelet's MemoryPressure.
	MemoryPressure int `json:"memoryPressure"`
}

// defaultMemoryPressure is felt by who works on the node, and far below where kernels and
// systemd-oomd (DefaultMemoryPressureLimit, 60%) begin to kill.
const defaultMemoryPressure = 20

// validate says what is missing; sessions ask for more than there is where they doze without it.
func (d Doze) validate(sessions Sessions) (errs field.ErrorList) {
	path := field.NewPath("doze")
	if d.MemoryPressure < 0 || d.MemoryPressure > 100 {
		errs = append(errs, field.Invalid(path.Child("memoryPressure"), d.MemoryPressure, "must be a share in percent, from 1 to 100, or 0 for off"))
	}
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
