package signins

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/audit"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/keyset"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/portal/provider"
	"github.com/org/vdi-operator/pkg/portal/seal"
	"github.com/org/vdi-operator/pkg/signin"
)

// clock is a test's.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is an API server and replicas' stores of it.
type world struct {
	*clock
	api client.WithWatch
	box *seal.Box
	set keyset.Set
}

func newWorld(t *testing.T) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	require.NoError(t, v1alpha1.AddToScheme(scheme))
	set := keyset.New()
	box, err := seal.New(set)
	require.NoError(t, err)
	api := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha1.VDISignIn{}).Build()
	return &world{clock: &clock{now: time.Now().Truncate(time.Second)}, api: api, box: box, set: set}
}

// store is a replica's.
func (w *world) store(change ...func(*config.OIDC)) *Store {
	o := config.DefaultOIDC()
	o.Issuer = "https://idp.example.com"
	for _, c := range change {
		c(&o)
	}
	return New(Options{Client: w.api, Cached: w.api, Namespace: "vdi-system", OIDC: o, Box: w.box, Log: slog.New(slog.DiscardHandler), Now: w.Now})
}

func (w *world) get(t *testing.T, secret string) *v1alpha1.VDISignIn {
	t.Helper()
	in := &v1alpha1.VDISignIn{}
	require.NoError(t, w.api.Get(t.Context(), client.ObjectKey{Namespace: "vdi-system", Name: signin.Name(secret)}, in))
	return in
}

func (w *world) there(secret string) bool {
	in := &v1alpha1.VDISignIn{}
	return w.api.Get(context.Background(), client.ObjectKey{Namespace: "vdi-system", Name: signin.Name(secret)}, in) == nil
}

func (w *world) ada() provider.Identity {
	return provider.Identity{Subject: "1", Session: "s1", User: "ada", IDToken: "id token", RefreshToken: "refresh 0", Named: true}
}

func TestASignInHasASecretOfItsOwnAndSealedTokens(t *testing.T) {
	w := newWorld(t)
	s := w.store()
	first, err := s.Begin(t.Context(), w.ada())
	require.NoError(t, err)
	second, err := s.Begin(t.Context(), w.ada())
	require.NoError(t, err)
	assert.NotEqual(t, first, second)
	in, err := s.Find(t.Context(), first)
	require.NoError(t, err)
	assert.Equal(t, "ada", in.Spec.User)
	assert.NotContains(t, string(in.Status.RefreshToken), "refresh")
	assert.NotContains(t, string(in.Status.IDToken), "id token")
	assert.Equal(t, "id token", s.IDToken(in))
	assert.NotContains(t, in.Name, first)
	assert.Equal(t, w.Now().Add(12*time.Hour), in.Spec.ExpiresAt.Time)
	assert.Equal(t, w.Now().Add(65*time.Minute), in.Status.ValidUntil.Time)
	assert.Equal(t, 2, s.Live(t.Context()))
	in.Name = signin.Name(second)
	assert.Empty(t, s.IDToken(in), "of another sign-in")
}

func TestAPersonsSignInsAreBounded(t *testing.T) {
	w := newWorld(t)
	s := w.store()
	var lines bytes.Buffer
	s.Audit = audit.New(&lines, true)
	eve := w.ada()
	eve.Subject, eve.User = "2", "eve"
	hers, err := s.Begin(t.Context(), eve)
	require.NoError(t, err)
	var all []string
	for range mostPerPerson + 2 {
		w.pass(time.Second)
		secret, err := s.Begin(t.Context(), w.ada())
		require.NoError(t, err)
		all = append(all, secret)
	}
	for i, secret := range all {
		assert.Equal(t, i >= 2, w.there(secret), "the oldest end: %d", i)
	}
	assert.True(t, w.there(hers), "another person's")
	assert.Equal(t, 2, strings.Count(lines.String(), `"reason":"too_many_sign_ins"`), lines.String())
}

// Of a provider that gives no refresh tokens: its ID token's end cuts nobody off.
func TestASignInThatCannotBeConfirmedHoldsForAsLongAsIsSet(t *testing.T) {
	for name, c := range map[string]struct{ unconfirmed, most, want time.Duration }{
		"unconfirmedFor": {8 * time.Hour, 12 * time.Hour, 8 * time.Hour},
		"signInFor less": {8 * time.Hour, time.Minute, time.Minute},
	} {
		w := newWorld(t)
		id := w.ada()
		id.RefreshToken = ""
		s := w.store(func(o *config.OIDC) { o.SignInFor.Duration, o.UnconfirmedFor.Duration = c.most, c.unconfirmed })
		secret, err := s.Begin(t.Context(), id)
		require.NoError(t, err)
		assert.Equal(t, w.Now().Add(c.want), w.get(t, secret).Status.ValidUntil.Time, name)
		w.pass(c.want - time.Second)
		_, err = s.Find(t.Context(), secret)
		require.NoError(t, err, name)
		w.pass(time.Second)
		_, err = s.Find(t.Context(), secret)
		require.ErrorIs(t, err, ErrSignedOut, name)
	}
}

// Of a provider whose refreshes have no ID token, and no userinfo endpoint that says more.
func TestGroupsThatAreNotToldAgainDoNotCountForEver(t *testing.T) {
	for name, c := range map[string]struct {
		admin, named bool
		allowed      []string
		stays        bool
	}{
		"an administrator":                  {admin: true},
		"who may sign in by a group":        {allowed: []string{"staff"}},
		"who needs no group":                {stays: true},
		"an administrator who is told anew": {admin: true, named: true, stays: true},
	} {
		w := newWorld(t)
		first := w.ada()
		first.Admin = c.admin
		a := &asker{is: first}
		a.is.Named = c.named
		r := w.recheck(a)
		r.Store.OIDC.AllowedGroups, r.Store.OIDC.SignInFor.Duration = c.allowed, 30*24*time.Hour
		secret, err := r.Store.Begin(t.Context(), first)
		require.NoError(t, err)
		recheck := func() {
			a.is.RefreshToken = signin.NewSecret()
			r.look(t.Context())
		}
		for range 95 {
			w.pass(5 * time.Minute)
			recheck()
		}
		require.True(t, w.there(secret), name)
		w.pass(5 * time.Minute)
		recheck()
		assert.Equal(t, c.stays, w.there(secret), name)
	}
}

func TestASecretThatIsUnknownIsAskedForOnce(t *testing.T) {
	w := newWorld(t)
	gets := 0
	s := w.store()
	s.Client = interceptor.NewClient(w.api, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			gets++
			return c.Get(ctx, key, o, opts...)
		}})
	for range 10 {
		_, err := s.Find(t.Context(), "made up")
		require.ErrorIs(t, err, ErrSignedOut)
	}
	assert.Equal(t, 1, gets)
	assert.True(t, s.Known(t.Context(), "made up"))
	assert.False(t, s.Known(t.Context(), "another"))
}

// behind is a cache that knows nothing yet.
type behind struct{ client.Reader }

func (behind) Get(_ context.Context, key client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	return apierrors.NewNotFound(v1alpha1.GroupVersion.WithResource("vdisignins").GroupResource(), key.Name)
}

func TestAReplicaWhoseCacheIsBehindFindsASignIn(t *testing.T) {
	w := newWorld(t)
	secret, err := w.store().Begin(t.Context(), w.ada())
	require.NoError(t, err)
	other := w.store()
	other.Cached = behind{w.api}
	_, err = other.Find(t.Context(), secret)
	require.NoError(t, err)
}

func TestASignInThatEndedIsNone(t *testing.T) {
	w := newWorld(t)
	s := w.store()
	secret, err := s.Begin(t.Context(), w.ada())
	require.NoError(t, err)
	require.NoError(t, s.End(t.Context(), signin.Name(secret)))
	require.NoError(t, s.End(t.Context(), signin.Name(secret)), "twice")
	_, err = s.Find(t.Context(), secret)
	require.ErrorIs(t, err, ErrSignedOut)
	_, err = s.HandOver(t.Context(), signin.Name(secret), target)
	require.ErrorIs(t, err, ErrSignedOut)
}

func TestTheProviderEndsWhatItSaysAndNothingThatBeganLater(t *testing.T) {
	for name, c := range map[string]struct {
		l     provider.Logout
		ended int
	}{
		"a person":         {provider.Logout{Subject: "1"}, 2},
		"a sign-in":        {provider.Logout{Subject: "1", Session: "s2"}, 1},
		"by its name only": {provider.Logout{Session: "s1"}, 1},
		"another person":   {provider.Logout{Subject: "2"}, 0},
		"an earlier one":   {provider.Logout{Subject: "1", Issued: time.Now().Add(-24 * time.Hour)}, 0},
	} {
		w := newWorld(t)
		s := w.store()
		for _, sid := range []string{"s1", "s2"} {
			in := &v1alpha1.VDISignIn{ObjectMeta: metav1.ObjectMeta{Namespace: "vdi-system", Name: "signin-" + sid, CreationTimestamp: metav1.Now()},
				Spec: v1alpha1.VDISignInSpec{Issuer: s.OIDC.Issuer, Subject: "1", ProviderSession: sid, User: "ada"}}
			require.NoError(t, w.api.Create(t.Context(), in))
		}
		if c.l.Issued.IsZero() {
			c.l.Issued = time.Now()
		}
		n, err := s.EndOf(t.Context(), c.l)
		require.NoError(t, err)
		assert.Equal(t, c.ended, n, name)
	}
}

var target = Target{BrowserHash: signin.Hash("browser"), Namespace: "desktops", Name: "ada", UID: "u1"}

func TestACodeLetsOneBrowserIntoOneSessionOnceAndSoon(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Target)
		after  time.Duration
		want   error
	}{
		"as it should be":     {want: nil},
		"another browser":     {change: func(t *Target) { t.BrowserHash = signin.Hash("other") }, want: ErrBrowser},
		"another session":     {change: func(t *Target) { t.Name = "eve" }, want: ErrSession},
		"a later one of it":   {change: func(t *Target) { t.UID = "u2" }, want: ErrSession},
		"too late":            {after: handoverFor, want: ErrExpired},
		"after the sign-in":   {after: 66 * time.Minute, want: ErrSignedOut},
		"a moment too early?": {after: handoverFor - time.Second, want: nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := w.store()
			secret, err := s.Begin(t.Context(), w.ada())
			require.NoError(t, err)
			code, err := s.HandOver(t.Context(), signin.Name(secret), target)
			require.NoError(t, err)
			assert.NotContains(t, w.get(t, secret).Status.Handovers[0].CodeHash, code)
			w.pass(c.after)
			at := target
			if c.change != nil {
				c.change(&at)
			}
			in, err := w.store().Redeem(t.Context(), code, at)
			require.ErrorIs(t, err, c.want)
			if c.want == nil {
				assert.Equal(t, "ada", in.Spec.User)
			}
			_, err = w.store().Redeem(t.Context(), code, target)
			require.Error(t, err, "whatever came of it, it is used")
		})
	}
}

func TestCodesThatNobodyGaveOpenNothing(t *testing.T) {
	w := newWorld(t)
	s := w.store()
	secret, err := s.Begin(t.Context(), w.ada())
	require.NoError(t, err)
	guessed, err := newCode(signin.Name(secret))
	require.NoError(t, err)
	for code, want := range map[string]error{"": ErrUsed, "x": ErrUsed, guessed: ErrUsed, guessed + "x": ErrUsed, signin.NewSecret(): ErrSignedOut} {
		_, err := s.Redeem(t.Context(), code, target)
		require.ErrorIs(t, err, want, code)
	}
}

func FuzzCode(f *testing.F) {
	f.Add("")
	f.Add(signin.NewSecret())
	f.Fuzz(func(t *testing.T, code string) {
		name, ok := signInOf(code)
		if !ok {
			return
		}
		assert.Len(t, name, len(signin.NamePrefix)+32)
		again, err := newCode(name)
		require.NoError(t, err)
		of, _ := signInOf(again)
		assert.Equal(t, name, of)
	})
}

func TestHandoversAreBounded(t *testing.T) {
	w := newWorld(t)
	s := w.store()
	secret, err := s.Begin(t.Context(), w.ada())
	require.NoError(t, err)
	var last string
	for range maxHandovers + 3 {
		last, err = s.HandOver(t.Context(), signin.Name(secret), target)
		require.NoError(t, err)
	}
	assert.Len(t, w.get(t, secret).Status.Handovers, maxHandovers)
	_, err = s.Redeem(t.Context(), last, target)
	require.NoError(t, err, "the newest one")
	w.pass(handoverFor + spentFor + time.Second)
	_, err = s.HandOver(t.Context(), signin.Name(secret), target)
	require.NoError(t, err)
	assert.Len(t, w.get(t, secret).Status.Handovers, 1, "those that ended long ago go")
}

// asker is a provider that takes each refresh token once.
type asker struct {
	mu    sync.Mutex
	asked []string
	is    provider.Identity
	err   error
}

func (a *asker) Refresh(_ context.Context, refresh string, _ provider.Identity) (provider.Identity, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, used := range a.asked {
		if used == refresh && a.err == nil {
			return provider.Identity{RefreshToken: refresh}, provider.ErrEnded
		}
	}
	a.asked = append(a.asked, refresh)
	if a.err != nil {
		return provider.Identity{RefreshToken: a.is.RefreshToken}, a.err
	}
	return a.is, nil
}

func (w *world) recheck(a Asker) *Recheck {
	return &Recheck{Store: w.store(), Provider: a, Metrics: metrics.NewPortal(prometheus.NewRegistry()),
		ask: rate.NewLimiter(rate.Inf, 1), sweep: rate.NewLimiter(rate.Inf, 1)}
}

func TestASignInIsConfirmedBeforeRecheckEveryIsOver(t *testing.T) {
	w := newWorld(t)
	secret, err := w.store().Begin(t.Context(), w.ada())
	require.NoError(t, err)
	a := &asker{is: w.ada()}
	a.is.RefreshToken, a.is.Admin = "refresh 1", true
	r := w.recheck(a)
	code, err := r.Store.HandOver(t.Context(), signin.Name(secret), target)
	require.NoError(t, err)

	w.pass(3 * time.Minute)
	r.look(t.Context())
	assert.Empty(t, a.asked, "not yet")
	w.pass(2 * time.Minute)
	r.look(t.Context())
	assert.Equal(t, []string{"refresh 0"}, a.asked)
	in := w.get(t, secret)
	assert.True(t, in.Spec.Admin)
	assert.Equal(t, w.Now().Add(65*time.Minute).Unix(), in.Status.ValidUntil.Unix())
	assert.Nil(t, in.Status.AskingUntil)
	id, err := r.Store.identity(in)
	require.NoError(t, err)
	assert.Equal(t, "refresh 1", id.RefreshToken)
	r.look(t.Context())
	assert.Len(t, a.asked, 1, "it was confirmed just now")
	w.pass(-5 * time.Minute)
	_, err = r.Store.Redeem(t.Context(), code, target)
	require.NoError(t, err, "a hand-over under way stays")
}

func TestTwoReplicasAskWithOneRefreshTokenOnce(t *testing.T) {
	w := newWorld(t)
	secret, err := w.store().Begin(t.Context(), w.ada())
	require.NoError(t, err)
	w.pass(5 * time.Minute)
	a := &asker{is: w.ada()}
	a.is.RefreshToken = "refresh 1"
	var both sync.WaitGroup
	for range 8 {
		both.Go(func() { w.recheck(a).look(t.Context()) })
	}
	both.Wait()
	assert.Equal(t, []string{"refresh 0"}, a.asked)
	assert.True(t, w.there(secret))
}

func TestAReplicaThatDiedWhileAskingIsWaitedFor(t *testing.T) {
	w := newWorld(t)
	secret, err := w.store().Begin(t.Context(), w.ada())
	require.NoError(t, err)
	w.pass(5 * time.Minute)
	a := &asker{is: w.ada()}
	r := w.recheck(a)
	require.True(t, r.claim(t.Context(), w.get(t, secret)))
	r.look(t.Context())
	assert.Empty(t, a.asked)
	w.pass(askFor)
	r.look(t.Context())
	assert.Len(t, a.asked, 1)
}

func TestWhatTheProviderDoesNotConfirmEnds(t *testing.T) {
	another := newWorld(t).ada()
	another.User = "ada.l"
	for name, a := range map[string]*asker{
		"revoked":         {err: provider.ErrEnded},
		"not allowed now": {err: provider.ErrNotAllowed},
		"without a name":  {err: provider.ErrClaims},
		"another name":    {is: another},
	} {
		w := newWorld(t)
		secret, err := w.store().Begin(t.Context(), w.ada())
		require.NoError(t, err)
		w.pass(5 * time.Minute)
		w.recheck(a).look(t.Context())
		assert.False(t, w.there(secret), name)
	}
}

func TestWhileTheProviderIsAwayASignInHoldsForAWhile(t *testing.T) {
	w := newWorld(t)
	secret, err := w.store().Begin(t.Context(), w.ada())
	require.NoError(t, err)
	a := &asker{err: provider.ErrAway}
	r := w.recheck(a)
	for range 64 {
		w.pass(time.Minute)
		r.look(t.Context())
	}
	assert.True(t, w.there(secret))
	assert.LessOrEqual(t, len(a.asked), 64)
	assert.NotEmpty(t, a.asked)
	w.pass(time.Minute)
	r.look(t.Context())
	assert.False(t, w.there(secret), "after recheckEvery and keepWhileAway")
}

func TestARefreshTokenOfAnAnswerThatCannotBeBelievedIsKept(t *testing.T) {
	w := newWorld(t)
	secret, err := w.store().Begin(t.Context(), w.ada())
	require.NoError(t, err)
	w.pass(5 * time.Minute)
	until := w.get(t, secret).Status.ValidUntil
	r := w.recheck(&asker{err: provider.ErrToken, is: provider.Identity{RefreshToken: "refresh 1"}})
	r.look(t.Context())
	in := w.get(t, secret)
	id, err := r.Store.identity(in)
	require.NoError(t, err)
	assert.Equal(t, "refresh 1", id.RefreshToken)
	assert.True(t, until.Equal(in.Status.ValidUntil), "it confirms nothing")
	assert.True(t, r.resume.IsZero(), "one person's token keeps nobody else waiting")
}

func TestKeysAreReplacedAndNobodyIsSignedOut(t *testing.T) {
	w := newWorld(t)
	secret, err := w.store().Begin(t.Context(), w.ada())
	require.NoError(t, err)
	for i := range 3 {
		w.set = w.set.Announce().Turn()
		require.NoError(t, w.box.Use(w.set))
		w.pass(5 * time.Minute)
		a := &asker{is: w.ada()}
		a.is.RefreshToken = signin.NewSecret()
		w.recheck(a).look(t.Context())
		assert.Len(t, a.asked, 1, "rotation %d", i)
	}
	assert.True(t, w.there(secret))
	require.NoError(t, w.box.Use(keyset.New()))
	w.pass(5 * time.Minute)
	w.recheck(&asker{}).look(t.Context())
	assert.False(t, w.there(secret), "with keys that are gone nothing can be confirmed")
}

func TestSignInsAreNotDueAtOnce(t *testing.T) {
	w := newWorld(t)
	r := w.recheck(&asker{})
	seen := map[time.Duration]bool{}
	for range 100 {
		in := &v1alpha1.VDISignIn{ObjectMeta: metav1.ObjectMeta{Name: signin.Name(signin.NewSecret())}}
		in.Status.ConfirmedAt = &metav1.Time{Time: w.Now()}
		pause := r.pause(in)
		assert.GreaterOrEqual(t, pause, 225*time.Second)
		assert.LessOrEqual(t, pause, 5*time.Minute)
		seen[pause] = true
	}
	assert.Greater(t, len(seen), 50)
}

func TestWhatHasEndedIsSwept(t *testing.T) {
	w := newWorld(t)
	id := w.ada()
	id.RefreshToken = ""
	secret, err := w.store().Begin(t.Context(), id)
	require.NoError(t, err)
	unfinished := &v1alpha1.VDISignIn{ObjectMeta: metav1.ObjectMeta{Namespace: "vdi-system", Name: "signin-x", CreationTimestamp: metav1.NewTime(w.Now())}}
	require.NoError(t, w.api.Create(t.Context(), unfinished))
	r := w.recheck(&asker{err: errors.New("it must not be asked")})
	r.look(t.Context())
	assert.True(t, w.there(secret))
	require.NoError(t, w.api.Get(t.Context(), client.ObjectKeyFromObject(unfinished), unfinished), "it may be on its way")
	w.pass(9 * time.Hour)
	r.look(t.Context())
	assert.False(t, w.there(secret))
	require.Error(t, w.api.Get(t.Context(), client.ObjectKeyFromObject(unfinished), unfinished))
}
