//go:build integration

package integration

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/check"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/controller/installation"
)

func TestACheckAsksTheAPIServerForDefinitionsAndConditions(t *testing.T) {
	ns := space(t)
	activator := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(activator.Close)
	cfg := config.Default()
	cfg.Installation.Namespace, cfg.URL.Domain = ns, "localhost"
	var out bytes.Buffer
	c := &check.Checker{
		Client: api, Config: cfg,
		Kinds: []schema.GroupVersionKind{
			v1alpha1.GroupVersion.WithKind("VDISession"), servingv1.SchemeGroupVersion.WithKind("Service"),
			{Group: "serving.knative.dev", Version: "v1", Kind: "Nothing"},
		},
		Operator: types.NamespacedName{Namespace: ns, Name: "vdi-operator"}, Activator: types.NamespacedName{Namespace: ns, Name: "vdi-activator"},
		HTTP: &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, activator.Listener.Addr().String())
		}}},
		Resolver: net.DefaultResolver, Out: &out,
	}
	status := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: installation.StatusName(cfg.Installation.Name)},
		Data: map[string]string{installation.ConditionsKey: "- {type: KnativeReady, status: 'False', reason: TooOld, message: Upgrade it.}"}}
	require.NoError(t, api.Create(t.Context(), status))
	assert.Error(t, c.Run(t.Context()), "passed without an operator")
	wantText(t, out.String(), "FAIL  API definitions: missing: Nothing (serving.knative.dev)", "FAIL  operator: ", "not found",
		"FAIL  operator's conditions: KnativeReady is False (TooOld): Upgrade it.", "ok    visitors' Service: ", "FAIL  desktops' Service: ", "ok    TURN: no server is announced", "ok    sessions' domain: ")

	out.Reset()
	c.Kinds = c.Kinds[:2]
	status.Data[installation.ConditionsKey] = strings.Replace(status.Data[installation.ConditionsKey], "'False'", "'True'", 1)
	require.NoError(t, api.Update(t.Context(), status, client.FieldOwner("test")))
	assert.Error(t, c.Run(t.Context()), "passed without an operator")
	wantText(t, out.String(), "ok    API definitions: VDISession, Service\n", "ok    operator's conditions: KnativeReady\n")
}
