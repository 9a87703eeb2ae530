package signinready

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

func TestWhetherPeopleCanSignInIsWhatThePortalSays(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		status metav1.ConditionStatus
		reason string
		says   string
	}{
		"they can": {func(http.ResponseWriter, *http.Request) {}, metav1.ConditionTrue, v1alpha1.ReasonReady, "can sign in"},
		"the provider is away": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "auth.oidc.issuer https://login.example.com: no such host", http.StatusServiceUnavailable)
		}, metav1.ConditionFalse, v1alpha1.ReasonProviderAway, "Nobody can sign in: auth.oidc.issuer https://login.example.com: no such host"},
		"somebody else answers": {http.NotFound, metav1.ConditionUnknown, v1alpha1.ReasonUnreadable, "404"},
	} {
		t.Run(name, func(t *testing.T) {
			portal := httptest.NewServer(c.answer)
			defer portal.Close()
			status, reason, message := (&Check{Portal: portal.URL}).check(t.Context())
			assert.Equal(t, c.status, status)
			assert.Equal(t, c.reason, reason)
			assert.Contains(t, message, c.says)
		})
	}
	status, reason, message := (&Check{Portal: "http://127.0.0.1:1"}).check(t.Context())
	assert.Equal(t, metav1.ConditionFalse, status)
	assert.Equal(t, v1alpha1.ReasonNotReady, reason)
	assert.Contains(t, message, "The portal does not answer")
}
