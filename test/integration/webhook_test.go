//go:build integration

package integration

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/workload"
)

// mutates adds a toleration to the pod template of every Deployment of a namespace, as a
// company's webhook does.
func mutates(t *testing.T, namespace string) {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		review := &admissionv1.AdmissionReview{}
		if err := json.NewDecoder(r.Body).Decode(review); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true, PatchType: new(admissionv1.PatchTypeJSONPatch),
			Patch: []byte(`[{"op":"add","path":"/spec/template/spec/tolerations/-","value":{"key":"company","operator":"Exists"}}]`)}
		_ = json.NewEncoder(w).Encode(review)
	}))
	t.Cleanup(server.Close)
	hook := &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: namespace},
		Webhooks: []admissionregistrationv1.MutatingWebhook{{
			Name: "company.example.com", AdmissionReviewVersions: []string{"v1"}, SideEffects: new(admissionregistrationv1.SideEffectClassNone),
			ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: &server.URL,
				CABundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})},
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": namespace}},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create, admissionregistrationv1.Update},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{"apps"}, APIVersions: []string{"v1"}, Resources: []string{"deployments"}}}},
		}},
	}
	require.NoError(t, api.Create(t.Context(), hook))
	t.Cleanup(func() { _ = api.Delete(t.Context(), hook) })
}

func TestWhatAWebhookAddsIsNoChangeOfSomebodyElse(t *testing.T) {
	s := apartFrom(t, "mutated")
	mutates(t, s.Namespace)
	shape := shapeOf(t, s)
	d := &workload.Deployment{Client: api, API: api}
	eventually.NoError(t, "a Deployment that the webhook has changed", func() error {
		if _, err := d.Apply(t.Context(), s, shape, is(false)); err != nil {
			return err
		}
		made := deploymentOf(t, api, s)
		for _, toleration := range made.Spec.Template.Spec.Tolerations {
			if toleration.Key == "company" {
				return nil
			}
		}
		require.NoError(t, api.Delete(t.Context(), made)) // the API server did not know the webhook yet
		return assert.AnError
	})
	for range 2 {
		delay, err := d.Apply(t.Context(), s, shape, is(true))
		require.NoError(t, err)
		assert.True(t, delay.None(), "delay %+v", delay)
	}
	rested, err := d.Rest(t.Context(), s, shape, true, func() bool { return false })
	require.NoError(t, err)
	assert.True(t, rested.Fits, "it is kept for the next wake: %+v", rested)

	merge(t, deploymentOf(t, api, s), `{"spec":{"template":{"spec":{"hostname":"theirs"}}}}`)
	delay, err := d.Apply(t.Context(), s, shape, is(true))
	require.NoError(t, err)
	assert.Equal(t, v1alpha1.ReasonWaitingForSleep, delay.Reason, "what somebody else changes is still seen")
}
