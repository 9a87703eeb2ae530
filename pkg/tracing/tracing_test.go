package tracing

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
)

func TestWithoutAnEndpointNothingIsTraced(t *testing.T) {
	tracer, stop, err := Start(t.Context(), config.Tracing{SamplingRatio: 1}, "vdi-activator", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer stop()
	ctx, span := tracer.Start(t.Context(), "wake")
	span.End()
	assert.Empty(t, Traceparent(ctx), "traced as")
}

// collector is an OTLP receiver that answers status.
func collector(t *testing.T, status int) (endpoint string, got func() []*collectorv1.ExportTraceServiceRequest) {
	t.Helper()
	requests := make(chan *collectorv1.ExportTraceServiceRequest, 16)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		in := &collectorv1.ExportTraceServiceRequest{}
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(raw, in) != nil {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		requests <- in
		w.WriteHeader(status)
	}))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://"), func() (all []*collectorv1.ExportTraceServiceRequest) {
		for len(requests) > 0 {
			all = append(all, <-requests)
		}
		return all
	}
}

func TestSpansReachTheCollectorBeforeTheProgramEnds(t *testing.T) {
	endpoint, got := collector(t, http.StatusOK)
	tracer, stop, err := Start(t.Context(), config.Tracing{Endpoint: endpoint, Insecure: true, SamplingRatio: 1}, "vdi-activator", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	_, span := tracer.Start(t.Context(), "wake")
	span.End()
	stop()
	all := got()
	require.Len(t, all, 1, "requests, want 1")
	text := all[0].String()
	for _, part := range []string{"wake", "service.name", "vdi-activator", "service.version"} {
		assert.Contains(t, text, part)
	}
}

func TestACollectorThatRefusesIsNamedInTheLogAndKeepsNobody(t *testing.T) {
	endpoint, _ := collector(t, http.StatusForbidden)
	var log bytes.Buffer
	tracer, stop, err := Start(t.Context(), config.Tracing{Endpoint: endpoint, Insecure: true, SamplingRatio: 1}, "vdi-operator", slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	_, span := tracer.Start(t.Context(), "wake")
	span.End()
	stop()
	require.Contains(t, log.String(), "not sent")
	assert.Contains(t, log.String(), endpoint, "the log")
}

func TestAWakesTraceCrossesInTheSessionAndOnlyForThatWake(t *testing.T) {
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter), Sampled(1))
	tracer := Of(provider)
	ctx, wake := tracer.Start(t.Context(), "wake")
	noon := time.Date(2020, 1, 1, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration) *metav1.MicroTime { return &metav1.MicroTime{Time: noon.Add(d)} }
	s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "b"}, Spec: v1alpha1.VDISessionSpec{User: "ada@example.com", Template: "blender"}}
	if _, ok := Wake(t.Context(), s); ok {
		t.Error("a session that nobody woke is traced")
	}
	s.Status.Activity = &v1alpha1.SessionActivity{LastWakeTime: at(0), Traceparent: Traceparent(ctx)}
	s.Status.SleepTime = at(-time.Hour)
	below, ok := Wake(context.Background(), s)
	require.True(t, ok, "the wake is not traced")
	Record(below, tracer, "decide", noon, noon.Add(time.Second), Session(s)...)
	wake.End()
	spans := exporter.GetSpans()
	require.Len(t, spans, 2)
	require.Equal(t, spans[1].SpanContext.TraceID(), spans[0].SpanContext.TraceID())
	require.Equal(t, spans[1].SpanContext.SpanID(), spans[0].Parent.SpanID(), "the operator's span is not below the activator's")
	assert.Equal(t, time.Second, spans[0].EndTime.Sub(spans[0].StartTime), "want what was recorded")
	for _, a := range spans[0].Attributes {
		assert.NotContains(t, a.Value.String(), "ada", "the span tells its user")
	}

	s.Status.SleepTime = at(time.Hour)
	if _, ok := Wake(t.Context(), s); ok {
		t.Error("an earlier wake's trace goes on")
	}
	s.Status.SleepTime, s.Status.Activity.Traceparent = nil, "garbage"
	if _, ok := Wake(t.Context(), s); ok {
		t.Error("garbage is taken for a trace")
	}
}

func TestTheActivatorDecidesWhatIsTraced(t *testing.T) {
	provider := sdktrace.NewTracerProvider(Sampled(0))
	ctx, span := Of(provider).Start(t.Context(), "wake")
	require.Empty(t, Traceparent(ctx))
	assert.False(t, span.IsRecording(), "a wake that is left out is traced as")
	remote := trace.ContextWithRemoteSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled, Remote: true}))
	if _, span := Of(provider).Start(remote, "decide"); !span.IsRecording() {
		t.Error("the operator leaves out what the activator traces")
	}
}
