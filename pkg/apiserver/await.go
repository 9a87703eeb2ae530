// Package apiserver waits for the API server, so that a program which starts while it
// is away lives on and works the moment it is back, instead of restarting with longer
// and longer pauses.
package apiserver

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
)

const (
	// askEvery is the pause between two questions.
	askEvery = time.Second
	// answerWithin bounds one question: a machine that hangs takes connections and says
	// nothing.
	answerWithin = 5 * time.Second
)

// Await returns when the API server answers, or with ctx's error. waiting is called
// once, with what the first question met, where it does not answer at once.
func Await(ctx context.Context, rc *rest.Config, waiting func(error)) error {
	rc = rest.CopyConfig(rc)
	rc.Timeout = answerWithin
	c, err := discovery.NewDiscoveryClientForConfig(rc)
	if err != nil {
		return fmt.Errorf("preparing to ask the API server: %w", err)
	}
	asked := false
	return wait.PollUntilContextCancel(ctx, askEvery, true, func(ctx context.Context) (bool, error) {
		err := c.RESTClient().Get().AbsPath("/version").Do(ctx).Error()
		// A program that is turned away gets the cause with its next request.
		if err == nil || apierrors.IsUnauthorized(err) || apierrors.IsForbidden(err) {
			return true, nil
		}
		if !asked {
			waiting(err)
		}
		asked = true
		return false, nil
	})
}
