package wake

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/tracing"
)

// recorder makes the tracker's spans readable.
func (w *world) recorder() *tracetest.InMemoryExporter {
	exporter := tracetest.NewInMemoryExporter()
	w.Tracer = tracing.Of(sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter), tracing.Sampled(1)))
	return exporter
}

func TestAWakeIsOneTraceFromTheRequestToTheFirstMessage(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		exporter := w.recorder()
		began := time.Now()
		v := w.Enter(w.session)
		synctest.Wait()
		time.Sleep(2 * time.Second)
		v.Mark(metrics.StageReached)
		time.Sleep(time.Second)
		v.Mark(metrics.StageFirstMessage)

		writes := w.written()
		require.Len(t, writes, 1)
		require.NotEmpty(t, writes[0].Traceparent, "written, want a wake with its trace")
		spans := exporter.GetSpans()
		var names []string
		root := spans[len(spans)-1]
		for _, s := range spans {
			names = append(names, s.Name)
			if s.SpanContext.TraceID() != root.SpanContext.TraceID() || !strings.Contains(writes[0].Traceparent, s.SpanContext.TraceID().String()) {
				t.Errorf("%s is of another trace than %s", s.Name, writes[0].Traceparent)
			}
			assert.False(t, s.Name != "wake" && s.Parent.SpanID() != root.SpanContext.SpanID(), "%s is not below the wake", s.Name)
		}
		require.Equal(t, "wake_written reached first_message wake", strings.Join(names, " "), "spans")
		if !root.StartTime.Equal(began) || root.EndTime.Sub(began) != 3*time.Second ||
			spans[1].EndTime.Sub(spans[1].StartTime) != 2*time.Second {
			t.Errorf("the wake took %s, reaching the desktop %s", root.EndTime.Sub(root.StartTime), spans[1].EndTime.Sub(spans[1].StartTime))
		}
		v.Leave()
		time.Sleep(time.Minute)
		assert.Equal(t, len(spans), len(exporter.GetSpans()), "spans after the visit")
	})
}

func TestAWakeWithoutAWebSocketEndsWithItsLastStage(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		exporter := w.recorder()
		v := w.Enter(w.session)
		synctest.Wait()
		time.Sleep(2 * time.Second)
		v.Mark(metrics.StageReached)
		time.Sleep(time.Hour)
		v.Leave()
		time.Sleep(time.Minute)
		spans := exporter.GetSpans()
		if last := spans[len(spans)-1]; last.Name != "wake" || last.EndTime.Sub(last.StartTime) != 2*time.Second {
			t.Errorf("%s took %s, want the wake until the desktop was reached", last.Name, last.EndTime.Sub(last.StartTime))
		}
	})
}

func TestAWakeThatIsWrittenAgainIsOneTrace(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		exporter := w.recorder()
		w.fail = errors.New("the API server is away")
		v := w.Enter(w.session)
		time.Sleep(10 * time.Second)
		w.mu.Lock()
		w.fail = nil
		w.mu.Unlock()
		time.Sleep(time.Second)
		if writes := w.written(); len(writes) == 0 || writes[0].Traceparent == "" {
			t.Errorf("written: %+v", writes)
		}
		v.Leave()
		time.Sleep(time.Minute)
		traces := map[trace.TraceID]bool{}
		for _, s := range exporter.GetSpans() {
			traces[s.SpanContext.TraceID()] = true
		}
		assert.Len(t, traces, 1, "traces of one wake")
	})
}
