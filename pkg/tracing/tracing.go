// Package tracing follows one wake through the activator and the operator, by
// OpenTelemetry. No request goes from one to the other: the trace crosses in the
// session's status.activity.traceparent, beside the wake that it belongs to.
//
// It promises that nothing is sent while it is off, that a collector which is away
// costs nobody a desktop, and that a span names sessions and never their users.
package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	sdkresource "go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/version"
)

// scope names the spans' origin.
const scope = "github.com/org/vdi-operator"

// stopWithin bounds how long the last spans may take to be sent.
const stopWithin = 5 * time.Second

// Start makes the tracer of a program and the function that sends the last spans; with
// no endpoint it makes one that does nothing. What the configuration leaves open, such
// as headers, the standard's environment variables say (OTEL_EXPORTER_OTLP_HEADERS).
func Start(ctx context.Context, c config.Tracing, program string, log *slog.Logger) (tracer trace.Tracer, stop func(), err error) {
	if c.Endpoint == "" {
		return noop.Tracer{}, func() {}, nil
	}
	options := []otlptracehttp.Option{otlptracehttp.WithEndpoint(c.Endpoint)}
	if c.Insecure {
		options = append(options, otlptracehttp.WithInsecure())
	}
	exporter, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, nil, fmt.Errorf("tracing.endpoint %q: %w", c.Endpoint, err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		log.Warn("spans were not sent", "endpoint", c.Endpoint, "error", err)
	}))
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), Sampled(c.SamplingRatio), sdktrace.WithResource(origin(program)))
	stop = func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
		defer cancel()
		if err := provider.Shutdown(ctx); err != nil {
			log.Warn("the last spans were not sent", "endpoint", c.Endpoint, "error", err)
		}
	}
	return Of(provider), stop, nil
}

// Of is a provider's tracer.
func Of(p trace.TracerProvider) trace.Tracer { return p.Tracer(scope) }

// Sampled traces that part of all wakes. The activator decides, and the operator goes by
// what it decided.
func Sampled(ratio float64) sdktrace.TracerProviderOption {
	return sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(ratio)))
}

// origin says which program and which of its pods a span comes from. Its keys are those
// of OpenTelemetry's semantic conventions.
func origin(program string) *sdkresource.Resource {
	attributes := []attribute.KeyValue{attribute.String("service.name", program), attribute.String("service.version", version.Get().Version)}
	if pod, err := os.Hostname(); err == nil {
		attributes = append(attributes, attribute.String("service.instance.id", pod))
	}
	return sdkresource.NewSchemaless(attributes...)
}

// Session is what spans say of a session: nothing of its user.
func Session(s *v1alpha1.VDISession) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("k8s.namespace.name", s.Namespace),
		attribute.String("vdi.session.name", s.Name),
		attribute.String("vdi.template.name", s.Spec.Template),
	}
}

// Record makes a span of something that is over.
func Record(ctx context.Context, tracer trace.Tracer, name string, from, to time.Time, attributes ...attribute.KeyValue) {
	_, span := tracer.Start(ctx, name, trace.WithTimestamp(from), trace.WithAttributes(attributes...))
	span.End(trace.WithTimestamp(to))
}

const traceparent = "traceparent"

// Traceparent is the span of ctx as a session's status carries it; empty where nothing
// is traced. ctx may be nil.
func Traceparent(ctx context.Context) string {
	if ctx == nil || !trace.SpanContextFromContext(ctx).IsSampled() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier.Get(traceparent)
}

// Wake returns ctx below the trace of the wake that the session's desktop is awake for,
// or is to be; false where that is not traced.
func Wake(ctx context.Context, s *v1alpha1.VDISession) (context.Context, bool) {
	a := s.Status.Activity
	if a == nil || a.Traceparent == "" || !lifecycle.Visited(s, time.Now()) {
		return ctx, false // none, or an earlier wake's
	}
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{traceparent: a.Traceparent})
	return ctx, trace.SpanContextFromContext(ctx).IsSampled()
}

// RecordWake makes a span, of something that is over, in the trace of the wake that it was
// done for. tracer may be nil.
func RecordWake(ctx context.Context, tracer trace.Tracer, s *v1alpha1.VDISession, name string, from, to time.Time) {
	if tracer == nil {
		return
	}
	if ctx, traced := Wake(ctx, s); traced {
		Record(ctx, tracer, name, from, to, Session(s)...)
	}
}
