package main

import (
	"context"
	"strings"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// knativesAdvice is of Knative's webhook, for each field of each desktop that is left to
// Kubernetes' default, at each write (knative.dev/serving v0.50, pkg/apis/serving:
// warnDefaultContainerSecurityContext). What a desktop may is the template's matter.
const knativesAdvice = "Kubernetes default value is insecure"

// warnings logs what the API server warns of, but for knativesAdvice.
type warnings struct{ rest.WarningHandlerWithContext }

var _ rest.WarningHandlerWithContext = warnings{}

func newWarnings() warnings {
	return warnings{log.NewKubeAPIWarningLogger(log.KubeAPIWarningLoggerOptions{})}
}

// HandleWarningHeaderWithContext takes a warning of one answer.
func (w warnings) HandleWarningHeaderWithContext(ctx context.Context, code int, agent, text string) {
	if !strings.Contains(text, knativesAdvice) {
		w.WarningHandlerWithContext.HandleWarningHeaderWithContext(ctx, code, agent, text)
	}
}
