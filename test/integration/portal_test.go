//go:build integration

package integration

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/keyset"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/portal/provider"
	"github.com/org/vdi-operator/pkg/portal/seal"
	"github.com/org/vdi-operator/pkg/portal/signins"
	"github.com/org/vdi-operator/pkg/signin"
)

// portals is a namespace of sign-ins with the portal's rights and keys.
type portals struct {
	namespace string
	rc        *rest.Config
	box       *seal.Box
	oidc      config.OIDC
}

// newPortals grants what config/rbac/portal has, and nothing else.
func newPortals(t *testing.T, namespace string) *portals {
	t.Helper()
	require.NoError(t, api.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}))
	raw, err := os.ReadFile(filepath.Join("..", "..", "config", "rbac", "portal", "role.yaml"))
	require.NoError(t, err)
	subjects := []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: namespace}}
	for _, one := range bytes.Split(raw, []byte("---\n")) {
		role := &rbacv1.Role{}
		require.NoError(t, yaml.Unmarshal(one, role))
		if role.Kind != "Role" {
			continue
		}
		role.Namespace = namespace
		require.NoError(t, api.Create(t.Context(), role))
		require.NoError(t, api.Create(t.Context(), &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: role.Name},
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name}, Subjects: subjects}))
	}
	rc := rest.CopyConfig(cluster.Config)
	rc.Impersonate.UserName = namespace
	box, err := seal.New(keyset.New())
	require.NoError(t, err)
	oidc := config.DefaultOIDC()
	oidc.Issuer = "https://login.example.com"
	return &portals{namespace: namespace, rc: rc, box: box, oidc: oidc}
}

// replica is a portal's store with a cache of its own.
func (p *portals) replica(t *testing.T) *signins.Store {
	t.Helper()
	c, err := cache.New(p.rc, cache.Options{Scheme: api.Scheme(), DefaultNamespaces: map[string]cache.Config{p.namespace: {}}})
	require.NoError(t, err)
	_, err = c.GetInformer(t.Context(), &v1alpha1.VDISignIn{}, cache.BlockUntilSynced(false))
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { _ = c.Start(ctx); close(done) }()
	t.Cleanup(func() { stop(); <-done })
	require.True(t, c.WaitForCacheSync(ctx))
	direct, err := client.New(p.rc, client.Options{Scheme: api.Scheme()})
	require.NoError(t, err)
	return signins.New(signins.Options{Client: direct, Cached: c, Namespace: p.namespace, OIDC: p.oidc, Box: p.box,
		Log: slog.New(slog.DiscardHandler), Now: time.Now})
}

func ada() provider.Identity {
	return provider.Identity{Subject: "1", User: "ada@example.com", IDToken: "id", RefreshToken: signin.NewSecret(), Named: true}
}

func TestAHandOverIsUsedOnceWhateverReplicaOfThePortalIsAsked(t *testing.T) {
	p := newPortals(t, "portal-handover")
	replicas := []*signins.Store{p.replica(t), p.replica(t)}
	secret, err := replicas[0].Begin(t.Context(), ada())
	require.NoError(t, err)
	_, err = replicas[1].Find(t.Context(), secret)
	require.NoError(t, err, "at once, at the other replica")
	target := signins.Target{BrowserHash: signin.Hash("browser"), Namespace: "desktops", Name: "ada", UID: "u"}
	for range 5 {
		code, err := replicas[0].HandOver(t.Context(), signin.Name(secret), target)
		require.NoError(t, err)
		var all sync.WaitGroup
		var let atomic.Int32
		for i := range 12 {
			all.Go(func() {
				if _, err := replicas[i%2].Redeem(context.Background(), code, target); err == nil {
					let.Add(1)
				}
			})
		}
		all.Wait()
		assert.EqualValues(t, 1, let.Load(), "of twelve at once")
	}
	require.NoError(t, replicas[1].End(t.Context(), signin.Name(secret)))
	eventually.True(t, "the other replica sees the sign-out", func() bool {
		_, err := replicas[0].Find(t.Context(), secret)
		return err != nil
	})
}

// once is a provider that revokes a sign-in whose refresh token comes twice.
type once struct {
	mu     sync.Mutex
	used   map[string]bool
	reused int
	asked  int
}

func (o *once) Refresh(_ context.Context, refresh string, of provider.Identity) (provider.Identity, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked++
	if o.used[refresh] {
		o.reused++
		return of, provider.ErrEnded
	}
	o.used[refresh] = true
	of.RefreshToken, of.Admin = signin.NewSecret(), !of.Admin
	return of, nil
}

func (o *once) count() (asked, reused int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.asked, o.reused
}

func TestReplicasOfThePortalUseARefreshTokenOnce(t *testing.T) {
	p := newPortals(t, "portal-recheck")
	p.oidc.RecheckEvery.Duration = time.Second
	idp := &once{used: map[string]bool{}}
	first := p.replica(t)
	var secrets []string
	for range 10 {
		secret, err := first.Begin(t.Context(), ada())
		require.NoError(t, err)
		secrets = append(secrets, secret)
	}
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 3 {
		r := &signins.Recheck{Store: p.replica(t), Provider: idp, Metrics: metrics.NewPortal(prometheus.NewRegistry())}
		all.Go(func() { r.Run(ctx) })
	}
	target := signins.Target{BrowserHash: signin.Hash("browser"), Namespace: "desktops", Name: "ada", UID: "u"}
	eventually.True(t, "forty rechecks", func() bool {
		code, err := first.HandOver(t.Context(), signin.Name(secrets[0]), target)
		require.NoError(t, err)
		_, err = first.Redeem(t.Context(), code, target)
		require.NoError(t, err, "hand-overs go on meanwhile")
		asked, _ := idp.count()
		return asked >= 40
	})
	stop()
	all.Wait()
	_, reused := idp.count()
	assert.Zero(t, reused)
	for _, secret := range secrets {
		_, err := first.Find(t.Context(), secret)
		assert.NoError(t, err)
	}
}
