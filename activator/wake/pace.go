package wake

import (
	"time"

	"github.com/org/vdi-operator/pkg/agentapi"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

const (
	// reportEvery is how often an open connection is reported, at most.
	reportEvery = 20 * time.Second
	// reportsPerTimeout is how many reports fit in the timeout that they put off, so
	// that one lost report does not put a desktop in use to sleep.
	reportsPerTimeout = 4
	// inputEvery and inputsPerTimeout are the same for writing input: somewhat more
	// often than it is reported to us, since no report must come too soon.
	inputEvery       = 10 * time.Second
	inputsPerTimeout = 5
)

// ReportInputEvery is how often pages and agents report input to an activator, at most.
func ReportInputEvery(s *v1alpha1.VDISession) time.Duration {
	return pace(agentapi.ReportEvery, lifecycle.EffectivePolicy(s.Status.Lifecycle).IdleTimeout.OrZero(), reportsPerTimeout)
}

// writeInputEvery is how often input is written, at most.
func writeInputEvery(s *v1alpha1.VDISession) time.Duration {
	return pace(inputEvery, lifecycle.EffectivePolicy(s.Status.Lifecycle).IdleTimeout.OrZero(), inputsPerTimeout)
}

// reportInterval is how often an open connection is written, at most.
func reportInterval(s *v1alpha1.VDISession) time.Duration {
	p := lifecycle.EffectivePolicy(s.Status.Lifecycle)
	return min(pace(reportEvery, p.DisconnectTimeout.OrZero(), reportsPerTimeout), pace(reportEvery, p.DozeAfter.OrZero(), reportsPerTimeout))
}

// pace is every, or less where so many would not fit in the timeout; 0 is none.
func pace(every, timeout time.Duration, fit int) time.Duration {
	if timeout <= 0 {
		return every
	}
	return min(every, timeout/time.Duration(fit))
}
