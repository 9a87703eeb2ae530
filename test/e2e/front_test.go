//go:build e2e

package e2e

import (
	"context"
	"crypto/x509"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/keys"
	"github.com/org/vdi-operator/pkg/keyset"
	"github.com/org/vdi-operator/test/harness"
)

const (
	frontNamespace = "vdi-e2e-ingress"
	// frontTLS is the Secret with Traefik's certificate.
	frontTLS = "front-tls"
)

// entryPoints are Traefik's, one for each kind of ingress object that the
// chart makes for Traefik besides an Ingress.
var entryPoints = map[string]int{"ingressroute": 8442, "httproute": 8443, "path": 8444}

// front is a Traefik with TLS, and activators of the chart behind it whose sessions'
// addresses are Traefik's. They serve the same sessions as the installation's own, which
// goes on undisturbed.
type front struct {
	*traefik
	trusts *x509.CertPool
	// settings are what all of its renders of the chart share.
	settings []string
}

// newFront brings it up; it goes with the test.
func newFront(ctx context.Context, t *testing.T, image string) *front {
	t.Helper()
	f := &front{traefik: newTraefik(ctx, t, traefik{namespace: frontNamespace, class: frontNamespace, entryPoints: entryPoints}, image)}
	require.NoError(t, f.secrets(ctx))
	var installed appsv1.Deployment
	require.NoError(t, in.Client.Get(ctx, types.NamespacedName{Namespace: in.SystemNamespace, Name: "vdi-activator"}, &installed))
	activator := installed.Spec.Template.Spec.Containers[0].Image
	at := strings.LastIndex(activator, ":")
	var nodes corev1.NodeList
	require.NoError(t, in.Client.List(ctx, &nodes))
	turn := ""
	for _, a := range nodes.Items[0].Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			turn = "turn:" + a.Address + ":3478?transport=udp"
		}
	}
	f.settings = []string{
		"activator.image.repository=" + activator[:at], "activator.image.tag=" + activator[at+1:],
		"auth.signingKey.existingSecret=vdi-signing-key", "turn.existingSecret=vdi-turn", "turn.urls={" + turn + "}",
		"coturn.enabled=false", "selkies.enabled=false", "activator.resources.requests.cpu=10m", "activator.shutdownDelaySeconds=0",
		"ingress.enabled=true", "ingress.className=" + frontNamespace, "ingress.tls.secretName=" + frontTLS,
	}
	return f
}

// secrets are what the activators check links and TURN with, copied, and a certificate by
// an authority of the test's own.
func (f *front) secrets(ctx context.Context) error {
	for name, key := range map[string]string{"vdi-signing-key": "tls.crt", "vdi-turn": "secret"} {
		var s corev1.Secret
		if err := in.Client.Get(ctx, types.NamespacedName{Namespace: in.SystemNamespace, Name: name}, &s); err != nil {
			return err
		}
		theirs := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: frontNamespace, Name: name}, Data: map[string][]byte{key: s.Data[key]}}
		if err := in.Client.Create(ctx, theirs); err != nil {
			return err
		}
	}
	// What an operator would make of its own for each: the keys of their cookies.
	for _, release := range []string{"byhost", "bypath"} {
		visits := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: frontNamespace, Name: release + "-visits"},
			Data: map[string][]byte{keys.KeysetKey: keyset.New().Bytes()}}
		if err := in.Client.Create(ctx, visits); err != nil {
			return err
		}
	}
	tls, trusts, err := certificate(frontNamespace, frontTLS, "*.byhost.test", "bypath.test")
	if err != nil {
		return err
	}
	f.trusts = trusts
	return in.Client.Create(ctx, tls)
}

// renders applies those parts of the chart.
func (f *front) renders(ctx context.Context, release string, components []string, settings ...string) {
	f.t.Helper()
	objects, err := in.RenderComponents(ctx, release, frontNamespace, components, append(append([]string(nil), f.settings...), settings...)...)
	require.NoError(f.t, err)
	f.apply(ctx, objects)
}

// link opens a session by an entry point.
func (f *front) link(ctx context.Context, key types.NamespacedName, at config.URL, entry string) string {
	f.t.Helper()
	link, err := in.Link(ctx, key, linkTTL)
	require.NoError(f.t, err)
	_, query, _ := strings.Cut(link, "?")
	at.Scheme, at.Port = "https", entryPoints[entry]
	u, err := url.Parse(at.SessionURL(key.Namespace, key.Name))
	require.NoError(f.t, err)
	u.RawQuery = query
	return u.String()
}

// visitor is one who has come in by an entry point, as soon as Traefik knows the way.
func (f *front) visitor(ctx context.Context, t *testing.T, link, entry string) *harness.Visitor {
	t.Helper()
	return f.letsIn(ctx, t, f.behind(entry, f.trusts), link)
}
