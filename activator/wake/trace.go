package wake

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/tracing"
)

// traced is the trace of one cold start: a span from the visitor's request to the last
// stage that was seen, and in it one for the way from each stage to the next. The zero
// value is not traced.
type traced struct {
	ctx    context.Context
	tracer trace.Tracer
	root   trace.Span
	// last is when the latest stage was seen.
	last time.Time
}

// newTraced begins the trace of a wake that was asked for at that time.
func newTraced(ctx context.Context, tracer trace.Tracer, s *v1alpha1.VDISession, asked time.Time) traced {
	ctx, root := tracer.Start(ctx, "wake", trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindServer),
		trace.WithTimestamp(asked), trace.WithAttributes(tracing.Session(s)...))
	return traced{ctx: ctx, tracer: tracer, root: root, last: asked}
}

func (t *traced) open() bool { return t.root != nil }

// parent is what the operator's spans go below.
func (t *traced) parent() string { return tracing.Traceparent(t.ctx) }

// mark records a stage. With the first message the visitor has the desktop.
func (t *traced) mark(stage metrics.Stage, at time.Time) {
	if !t.open() {
		return
	}
	tracing.Record(t.ctx, t.tracer, string(stage), t.last, at)
	t.last = at
	if stage == metrics.StageFirstMessage {
		t.end()
	}
}

// end ends the trace with the last stage; those who stay have had their desktop.
func (t *traced) end() {
	if !t.open() {
		return
	}
	t.root.End(trace.WithTimestamp(t.last))
	t.root = nil
}
