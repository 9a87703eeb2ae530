package session

import (
	"context"
	"time"

	"github.com/org/vdi-operator/pkg/tracing"
)

// record adds what was done to the trace of the wake that it was done for.
func (p *pass) record(span string, from, to time.Time) {
	if p.Tracer == nil {
		return
	}
	if ctx, ok := tracing.Wake(context.Background(), p.session); ok {
		tracing.Record(ctx, p.Tracer, span, from, to, tracing.Session(p.session)...)
	}
}
