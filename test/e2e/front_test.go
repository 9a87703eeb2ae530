//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/x509"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"
	gotemplate "text/template"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/test/harness"
	"github.com/org/vdi-operator/test/helm"
)

const (
	frontNamespace = "vdi-e2e-ingress"
	// frontTLS is the Secret with Traefik's certificate.
	frontTLS = "front-tls"
)

// entryPoints are Traefik's, one for each kind of ingress object.
var entryPoints = map[string]int{"ingress": 8441, "ingressroute": 8442, "httproute": 8443, "path": 8444}

//go:embed testdata/traefik.yaml
var traefikManifest string

// front is a Traefik with TLS, and activators of the chart behind it whose sessions'
// addresses are Traefik's. They serve the same sessions as the installation's own, which
// goes on undisturbed.
type front struct {
	t      *testing.T
	ip     string
	trusts *x509.CertPool
	// settings are what all of its renders of the chart share.
	settings []string
}

// newFront brings it up; it goes with the test.
func newFront(ctx context.Context, t *testing.T, image string) *front {
	t.Helper()
	f := &front{t: t}
	must := func(err error) {
		t.Helper()
		require.NoError(t, err)
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: frontNamespace}}
	must(eventually.Wait(ctx, "a new namespace "+ns.Name, func() error {
		err := in.Client.Create(ctx, ns.DeepCopy())
		if apierrors.IsAlreadyExists(err) { // an earlier run was interrupted
			err = errors.Join(err, client.IgnoreNotFound(in.Client.Delete(ctx, ns.DeepCopy())))
		}
		return err
	}))
	t.Cleanup(func() { remove(t, ns) })
	must(f.secrets(ctx))

	var manifest bytes.Buffer
	must(gotemplate.Must(gotemplate.New("traefik").Parse(traefikManifest)).Execute(&manifest, map[string]any{
		"Namespace": frontNamespace, "Image": image, "EntryPoints": entryPoints,
	}))
	objects, err := helm.Objects(manifest.String())
	must(err)
	f.apply(ctx, objects)

	var installed appsv1.Deployment
	must(in.Client.Get(ctx, types.NamespacedName{Namespace: in.SystemNamespace, Name: "vdi-activator"}, &installed))
	activator := installed.Spec.Template.Spec.Containers[0].Image
	at := strings.LastIndex(activator, ":")
	var nodes corev1.NodeList
	must(in.Client.List(ctx, &nodes))
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

// apply applies objects; those that are in no namespace go with the test, as the
// namespace does.
func (f *front) apply(ctx context.Context, objects []*unstructured.Unstructured) {
	f.t.Helper()
	for _, o := range objects {
		require.NoError(f.t, in.Apply(ctx, o.DeepCopy()))
		if o.GetNamespace() == "" {
			f.t.Cleanup(func() { remove(f.t, o) })
		}
	}
}

// ready waits for the pods and finds Traefik's.
func (f *front) ready(ctx context.Context) {
	f.t.Helper()
	err := eventually.Wait(ctx, "Traefik and the activators behind it", func() error {
		var pods corev1.PodList
		if err := in.Client.List(ctx, &pods, client.InNamespace(frontNamespace)); err != nil {
			return err
		}
		f.ip = ""
		for i := range pods.Items {
			p := &pods.Items[i]
			if !harness.Ready(p) {
				return fmt.Errorf("pod %s is not ready", p.Name)
			}
			if p.Labels["app"] == "traefik" {
				f.ip = p.Status.PodIP
			}
		}
		if f.ip == "" || len(pods.Items) < 3 {
			return fmt.Errorf("%d pods", len(pods.Items))
		}
		return nil
	})
	if err != nil {
		in.Describe(context.Background(), f.t.Output(), frontNamespace)
		f.t.Fatal(err)
	}
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
func (f *front) visitor(ctx context.Context, t *testing.T, link, entry string) (v *harness.Visitor) {
	t.Helper()
	err := eventually.Wait(ctx, "Traefik to let a visitor in by "+entry, func() (err error) {
		v, err = harness.By(ctx, net.JoinHostPort(f.ip, strconv.Itoa(entryPoints[entry])), f.trusts, link)
		return err
	})
	require.NoError(t, err)
	return v
}
