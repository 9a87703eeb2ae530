package autoscaler

import (
	"context"
	"time"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/tracing"
)

// traceWake adds the scaling to the trace of the wake that it was done for.
func (r *Reconciler) traceWake(ctx context.Context, s *v1alpha1.VDISession, from time.Time) {
	if r.Tracer == nil {
		return
	}
	if ctx, ok := tracing.Wake(ctx, s); ok {
		tracing.Record(ctx, r.Tracer, "scale", from, r.Now(), tracing.Session(s)...)
	}
}
