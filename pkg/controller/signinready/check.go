// Package signinready says whether people can sign in, as the portal sees it: it knows the
// identity provider, and what is wrong with it.
package signinready

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/signin"
)

const (
	// interval is how often the portal is asked, answerWithin how long for.
	interval     = 15 * time.Second
	answerWithin = 5 * time.Second
	// longest is how much of an answer is read, in bytes.
	longest = 2 << 10
)

// Conditions takes the condition v1alpha1.ConditionSignInReady.
type Conditions interface {
	Set(conditionType string, status metav1.ConditionStatus, reason, message string)
}

// Check sets the condition SignInReady at intervals.
type Check struct {
	// Portal is its address for activators.
	Portal     string
	Conditions Conditions
}

var _ manager.Runnable = (*Check)(nil)

// Start implements manager.Runnable; the manager runs it in the leader alone.
func (c *Check) Start(ctx context.Context) error {
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		if status, reason, message := c.check(ctx); ctx.Err() == nil {
			c.Conditions.Set(v1alpha1.ConditionSignInReady, status, reason, message)
		}
	}, interval)
	return nil
}

func (c *Check) check(ctx context.Context) (status metav1.ConditionStatus, reason, message string) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	said, code, err := c.ask(ctx)
	switch {
	case err != nil:
		return metav1.ConditionFalse, v1alpha1.ReasonNotReady, fmt.Sprintf("The portal does not answer, so nobody can sign in: %v. "+
			"Who has signed in goes on. See its pods (kubectl get pods -l app.kubernetes.io/component=portal, in the operator's namespace).", err)
	case code == http.StatusOK:
		return metav1.ConditionTrue, v1alpha1.ReasonReady, "The identity provider answers, and people can sign in."
	case code == http.StatusServiceUnavailable:
		return metav1.ConditionFalse, v1alpha1.ReasonProviderAway, "Nobody can sign in: " + said
	}
	return metav1.ConditionUnknown, v1alpha1.ReasonUnreadable, fmt.Sprintf("The portal answers %d.", code)
}

func (c *Check) ask(ctx context.Context) (said string, code int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Portal+signin.ProviderPath, nil)
	if err != nil {
		return "", 0, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", 0, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, longest))
	return strings.TrimSpace(string(raw)), resp.StatusCode, err
}
