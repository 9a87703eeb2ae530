// Package portal is where people sign in, at the identity provider, and from where they are
// handed over to their desktops.
//
// It promises that nothing which a visitor sends makes it keep something before they have
// signed in, that a sign-in under way ends in the browser that began it, that each sign-in has
// a secret of its own, that a form changes something only if this sign-in's own page sent it,
// that no answer tells of sessions or people that are not the visitor's, and that no code, token
// or secret reaches a log.
package portal

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/activator/limit"
	"github.com/org/vdi-operator/pkg/audit"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/look"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/portal/attempt"
	"github.com/org/vdi-operator/pkg/portal/provider"
	"github.com/org/vdi-operator/pkg/portal/seal"
	"github.com/org/vdi-operator/pkg/portal/signins"
	"github.com/org/vdi-operator/pkg/signin"
)

// +kubebuilder:rbac:groups=vdi.kasm.io,resources=vdisessions,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=vdi.kasm.io,resources=vditemplates,verbs=get;list;watch

// maxBody is longer than any form.
const maxBody = 64 << 10

// Provider is the identity provider.
type Provider interface {
	Up() bool
	Problem() string
	Start(state, nonce, verifier string) (string, error)
	Answered(iss string) error
	Exchange(ctx context.Context, code, verifier, nonce string) (provider.Identity, error)
	EndSession(idToken, back string) (string, bool)
	EndOrigin() string
	Logout(ctx context.Context, raw string) (provider.Logout, error)
}

// Options are a server's.
type Options struct {
	// Config has a portal and an identity provider.
	Config   config.Config
	Provider Provider
	SignIns  *signins.Store
	// Sessions reads a watch's cache.
	Sessions client.Reader
	Box      *seal.Box
	// Pages are for those who have signed in.
	Pages   http.Handler
	Metrics *metrics.Portal
	// Audit says who signed in, in vain or not, and who was handed over; nil says nothing.
	Audit *audit.Log
	Log   *slog.Logger
	Now   func() time.Time
}

// Server is the portal.
type Server struct {
	Options
	cookie           cookie
	attempts         attempt.Jar
	origin           string
	starts, comeback *limit.Rate[string]
	lookups, changes *limit.Rate[string]
	crowds           *limit.Rate[string]
	mux              *http.ServeMux
}

// The rate at which cookies of an address are looked for at the API server that the cache
// does not know: those of a sign-in of a moment ago, and what anybody makes up.
const (
	lookupsPerSecond = 5
	lookupsAtOnce    = 60
)

// The rate at which a person changes something, or is handed over: each costs writes, lines of
// the audit, and news for all activators. A browser that starts opens many tabs at once.
const (
	changesPerSecond = 2
	changesAtOnce    = 60
)

// The rate at which the audit hears that an address signs in too often.
const (
	crowdsPerSecond = 1.0 / 60
	crowdsAtOnce    = 1
)

// New makes a portal.
func New(o Options) *Server {
	secure := o.Config.URL.Scheme == "https"
	rate := o.Config.Portal.SignInsPerAddress
	s := &Server{Options: o, cookie: newCookie(secure), attempts: attempt.Jar{Box: o.Box, Secure: secure},
		origin:   o.Config.URL.Origin(o.Config.Portal.Host),
		starts:   limit.NewRate[string](rate.PerSecond, rate.Burst),
		comeback: limit.NewRate[string](rate.PerSecond, rate.Burst),
		lookups:  limit.NewRate[string](lookupsPerSecond, lookupsAtOnce),
		changes:  limit.NewRate[string](changesPerSecond, changesAtOnce),
		crowds:   limit.NewRate[string](crowdsPerSecond, crowdsAtOnce),
		mux:      http.NewServeMux()}
	s.routes()
	return s
}

func (s *Server) routes() {
	s.mux.HandleFunc("GET "+signInPath, s.signIn)
	s.mux.HandleFunc("GET "+callbackPath, s.callback)
	s.mux.HandleFunc("GET "+signedOutPath, s.signedOut)
	s.mux.HandleFunc("POST "+backChannelPath, s.backChannel)
	s.mux.Handle("POST "+signOutPath, s.visited(http.HandlerFunc(s.signOut)))
	s.mux.Handle("GET "+openPath+"{namespace}/{name}", s.visited(http.HandlerFunc(s.open)))
	s.mux.Handle(assetsPath, s.Pages)
	s.mux.Handle("/", s.visited(s.Pages))
}

// The paths that are not those of pages; assetsPath is, and is everybody's.
const (
	signInPath      = "/signin"
	callbackPath    = "/callback"
	signOutPath     = "/signout"
	signedOutPath   = "/signed-out"
	backChannelPath = "/backchannel-logout"
	assetsPath      = "/assets/"
	openPath        = "/open/"
)

// CallbackURL is where the identity provider sends browsers back to.
func CallbackURL(c config.Config) string { return c.URL.Origin(c.Portal.Host) + callbackPath }

// ServeHTTP serves people, who come by the activator.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.harden(w.Header())
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if len(r.URL.RawQuery) > maxQuery {
		s.refuse(w, r, tooLong)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// maxQuery is longer than any good code; a token of a megabyte is none.
const maxQuery = 16 << 10

// Internal serves activators, and the operator, which asks whether people can sign in.
func (s *Server) Internal() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /redeem", s.redeem)
	mux.HandleFunc("GET "+signin.ProviderPath, func(w http.ResponseWriter, _ *http.Request) {
		if problem := s.Provider.Problem(); problem != "" {
			http.Error(w, problem, http.StatusServiceUnavailable)
		}
	})
	return mux
}

// harden has browsers take from a page what it is made of, templates' icons from wherever they
// are, and nothing else.
func (s *Server) harden(h http.Header) {
	u := s.Config.URL
	// A form may end at a desktop, and its sign-out at the provider.
	forms := []string{"'self'", u.Origin(u.Domain), u.Origin("*." + u.Domain)}
	if origin := s.Provider.EndOrigin(); origin != "" {
		forms = append(forms, origin)
	}
	h.Set("Content-Security-Policy", look.Policy(forms...))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}
