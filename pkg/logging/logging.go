// Package logging makes every line that a program writes one JSON object, from
// every writer: this product, controller-runtime, client-go by klog, OpenTelemetry, and
// net/http by the standard logger. What a collector of logs reads has one form.
package logging

import (
	"io"
	"log/slog"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
)

// Setup routes every logger of the process to w and returns the product's own. The
// libraries keep theirs in globals, so it is for main alone.
func Setup(w io.Writer, level slog.Level) *slog.Logger {
	handler := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})
	log := logr.FromSlogHandler(handler)
	ctrl.SetLogger(log)
	klog.SetLogger(log.WithName("client"))
	otel.SetLogger(log.WithName("tracing"))
	slog.SetDefault(slog.New(handler))
	return slog.New(handler)
}
