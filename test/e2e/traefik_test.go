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
	"strconv"
	"testing"
	gotemplate "text/template"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/test/harness"
	"github.com/org/vdi-operator/test/helm"
)

//go:embed testdata/traefik.yaml
var traefikManifest string

// traefik is a real one in a namespace of its own, for one IngressClass.
type traefik struct {
	t                *testing.T
	namespace, class string
	// entryPoints are its ports by their names.
	entryPoints map[string]int
	// ip is its pod's, once it is ready.
	ip string
}

// newTraefik brings it up; it goes with the test.
func newTraefik(ctx context.Context, t *testing.T, f traefik, image string) *traefik {
	t.Helper()
	f.t = t
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: f.namespace}}
	require.NoError(t, eventually.Wait(ctx, "a new namespace "+ns.Name, func() error {
		err := in.Client.Create(ctx, ns.DeepCopy())
		if apierrors.IsAlreadyExists(err) { // an earlier run was interrupted
			err = errors.Join(err, client.IgnoreNotFound(in.Client.Delete(ctx, ns.DeepCopy())))
		}
		return err
	}))
	t.Cleanup(func() { remove(t, ns) })
	var manifest bytes.Buffer
	require.NoError(t, gotemplate.Must(gotemplate.New("traefik").Parse(traefikManifest)).Execute(&manifest, map[string]any{
		"Namespace": f.namespace, "Class": f.class, "Image": image, "EntryPoints": f.entryPoints,
	}))
	objects, err := helm.Objects(manifest.String())
	require.NoError(t, err)
	f.apply(ctx, objects)
	return &f
}

// apply applies objects; those that are in no namespace go with the test, as the
// namespace does.
func (f *traefik) apply(ctx context.Context, objects []*unstructured.Unstructured) {
	f.t.Helper()
	for _, o := range objects {
		require.NoError(f.t, in.Apply(ctx, o.DeepCopy()))
		if o.GetNamespace() == "" {
			f.t.Cleanup(func() { remove(f.t, o) })
		}
	}
}

// ready waits for so many pods in its namespace and finds its own.
func (f *traefik) ready(ctx context.Context, want int) {
	f.t.Helper()
	err := eventually.Wait(ctx, "Traefik and what is behind it", func() error {
		var pods corev1.PodList
		if err := in.Client.List(ctx, &pods, client.InNamespace(f.namespace)); err != nil {
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
		if f.ip == "" || len(pods.Items) < want {
			return fmt.Errorf("%d pods", len(pods.Items))
		}
		return nil
	})
	if err != nil {
		in.Describe(context.Background(), f.t.Output(), f.namespace)
		f.t.Fatal(err)
	}
}

// behind is the installation for visitors who come in by an entry point.
func (f *traefik) behind(entry string, trusts *x509.CertPool) *harness.Installation {
	return in.Behind(net.JoinHostPort(f.ip, strconv.Itoa(f.entryPoints[entry])), trusts)
}

// letsIn is a visitor with a link, as soon as Traefik knows the way.
func (f *traefik) letsIn(ctx context.Context, t *testing.T, at *harness.Installation, link string) (v *harness.Visitor) {
	t.Helper()
	err := eventually.Wait(ctx, "Traefik to let a visitor in at "+at.Address, func() (err error) {
		v, err = at.Invited(ctx, link)
		return err
	})
	require.NoError(t, err)
	return v
}
