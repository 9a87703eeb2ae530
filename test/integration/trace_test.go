//go:build integration

package integration

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/record"
	"github.com/org/vdi-operator/activator/wake"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/metrics"
)

func TestOneWakeIsOneTraceThroughActivatorAndOperator(t *testing.T) {
	ns := space(t)
	s := given(t, ns, "traced")
	s = awaitPhase(t, s, v1alpha1.PhaseAsleep)

	// The activator's part, with the session as the watch would bring it.
	ctx, stop := context.WithCancel(t.Context())
	dir := directory.New(func(_, name string) string { return name }, nil)
	dir.SetSession(s)
	tracker := wake.NewTracker(ctx, dir, &record.Writer{Client: api, Directory: dir}, metrics.NewActivator(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
	tracker.Tracer = tracer
	visit := tracker.Enter(s)
	deployment := rollOut(t, s)
	eventually.NoError(t, "the deployment scaled up", hasScale(t, deployment, 1))
	now := awaitPhase(t, s, v1alpha1.PhaseCreating)
	require.NotEmpty(t, now.Status.Activity.Traceparent, "the wake was written without its trace")
	pod := startPod(t, s)
	dir.SetSession(awaitPhase(t, s, v1alpha1.PhaseRunning))
	visit.Mark(metrics.StageReached)
	visit.Mark(metrics.StageFirstMessage)
	visit.Leave()
	stop()
	tracker.Wait()

	want := []string{"decide", "first_message", "pod_ready", "reached", "scale", "wake", "wake_written"}
	eventually.NoError(t, "the spans of both sides", func() error {
		if got := namesOf(traceOf(now)); !slices.Equal(got, want) {
			return fmt.Errorf("have %v, want %v", got, want)
		}
		return nil
	})
	trace := traceOf(now)
	var whole tracetest.SpanStub
	for _, span := range trace {
		if span.Name == "wake" {
			whole = span
		}
	}
	for _, span := range trace {
		assert.False(t, span.Name != "wake" && span.Parent.SpanID() != whole.SpanContext.SpanID(),
			"%s is not below the wake", span.Name)
		for _, a := range span.Attributes {
			assert.NotContains(t, a.Value.String(), s.Spec.User, "%s tells whose it is: %s", span.Name, a.Key)
		}
	}

	// What the next wake is for has nothing to do with it.
	require.NoError(t, patchSession(t, s, `{"spec":{"power":"Off"}}`))
	awaitPhase(t, s, v1alpha1.PhaseAsleep)
	require.NoError(t, api.Delete(t.Context(), pod)) // as its ReplicaSet does
	require.NoError(t, patchSession(t, s, `{"spec":{"power":"AlwaysOn"}}`))
	eventually.NoError(t, "the deployment scaled up again", hasScale(t, deployment, 1))
	always(t, "the trace is over", func() error {
		if got := traceOf(now); len(got) != len(trace) {
			return fmt.Errorf("%v were added", namesOf(got[len(trace):]))
		}
		return nil
	})
	require.NoError(t, client.IgnoreNotFound(api.Delete(t.Context(), s)))
}

// traceOf are the spans of the trace that a session's last wake began.
func traceOf(s *v1alpha1.VDISession) (trace []tracetest.SpanStub) {
	for _, span := range spans.GetSpans() {
		if strings.Contains(s.Status.Activity.Traceparent, span.SpanContext.TraceID().String()) {
			trace = append(trace, span)
		}
	}
	return trace
}

func namesOf(trace []tracetest.SpanStub) (names []string) {
	for _, span := range trace {
		names = append(names, span.Name)
	}
	slices.Sort(names)
	return names
}
