// Package activator is the data plane: every request for a session's host comes
// here. It finds out who visits, wakes the desktop, holds what the visitor sends
// meanwhile, and passes it on.
//
// The parts live in the folders below; this package wires them into one handler
// and promises that nothing is woken before the visitor was checked.
package activator

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/org/vdi-operator/activator/auth"
	"github.com/org/vdi-operator/activator/clientcache"
	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/door"
	"github.com/org/vdi-operator/activator/hold"
	"github.com/org/vdi-operator/activator/limit"
	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/activator/probe"
	"github.com/org/vdi-operator/activator/relay"
	"github.com/org/vdi-operator/activator/route"
	"github.com/org/vdi-operator/activator/wake"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/token"
)

// Options are what a server is made of; all are required.
type Options struct {
	Config    config.Config
	Proxies   door.Proxies
	Directory *directory.Directory
	Tracker   *wake.Tracker
	Viewers   ViewerWriter
	Clients   *clientcache.Cache
	Guard     *auth.Guard
	Verifier  *token.Verifier
	TURN      *TURN
	Metrics   *metrics.Activator
	Log       *slog.Logger
}

// Server serves visitors.
type Server struct {
	Options
	routing   route.Routing
	prober    *probe.Prober
	admission *admission
	held      *limit.Held
	http      *relay.HTTP
	pages     *pages
	viewers   *viewers
	witness   *witness
	// renewing holds the sessions whose kept files are asked for again.
	renewing sync.Map
	verdicts verdicts
	assets   http.Handler

	// holding ends, with hold.ShuttingDown as its cause, when nothing may be held any
	// longer; the WebSockets are told besides.
	holding     context.Context
	stopHolding context.CancelCauseFunc
	sockets     *sockets
}

// New makes a server.
func New(o Options) *Server {
	s := &Server{
		Options:   o,
		routing:   route.New(o.Config.URL),
		prober:    probe.New(o.Directory, (&net.Dialer{}).DialContext),
		admission: newAdmission(o.Config.Limits, o.Proxies),
		held:      limit.NewHeld(o.Config.Limits.HeldConnections, o.Config.Limits.HeldConnectionsPerSession),
		pages:     newPages(o.Config.Limits.PagesPerSession, o.Metrics),
		verdicts:  newVerdicts(),
		assets:    page.Assets(),
		sockets:   newSockets(),
	}
	s.http = relay.NewHTTP(o.Log, func(w http.ResponseWriter, _ *http.Request, err error) {
		o.Log.Debug("a desktop broke off a request", "error", err)
		page.WriteMessage(w, page.Unavailable)
	})
	s.holding, s.stopHolding = context.WithCancelCause(context.Background())
	s.viewers = newViewers(s.holding, o)
	o.Directory.Observe(s.viewerChanged)
	s.witness = newWitness(o.Directory, s.prober, o.Tracker)
	o.Directory.Observe(s.witness.see)
	return s
}

// StopHolding tells every held client to reconnect elsewhere; relayed connections
// go on.
func (s *Server) StopHolding() {
	s.stopHolding(hold.ShuttingDown)
	s.sockets.stopHolding()
	s.witness.stop()
}

// Drain waits until the last WebSocket has ended, and ends them all when ctx does.
// No WebSocket is accepted from now on.
func (s *Server) Drain(ctx context.Context) {
	ended := s.sockets.close()
	select {
	case <-ended:
	case <-ctx.Done():
		s.sockets.end()
		<-ended
	}
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, page.AssetsPath) {
		s.assets.ServeHTTP(w, r)
		return
	}
	if isUpgrade(r) && !s.admitsAddress(w, r) {
		return
	}
	place := s.routing.Of(r)
	view, ok := s.find(place.Address)
	switch {
	case !ok && !isUpgrade(r) && s.sendsOn(w, s.routing.Meant(r, s.known)):
		return
	case !ok:
		s.refuse(w, metrics.RefusedUnknownHost, page.NotFound)
		return
	case place.Bare(r) && !isUpgrade(r):
		s.sendsOn(w, place.Outside(place.Inside(r).URL))
		return
	}
	r = place.Inside(r)
	if s.Guard.Link(r) && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		if err := s.Guard.Exchange(w, r, view.Session); err != nil {
			s.refuseToken(w, err)
		}
		return
	}
	if err := s.Guard.Check(r, view.Session); err != nil {
		s.refuseToken(w, err)
		return
	}
	if !s.Guard.SameOrigin(r) {
		s.refuse(w, metrics.RefusedForeignOrigin, page.ForeignOrigin)
		return
	}
	s.dispatch(w, r, view, place.Face)
}

// dispatch serves a request that was checked.
func (s *Server) dispatch(w http.ResponseWriter, r *http.Request, view directory.View, face route.Face) {
	v, r := s.understand(r, view, face)
	switch v.wants {
	case wantsPage, wantsRefresh:
		s.servePage(w, r, v)
	case wantsFrame:
		s.serveFrame(w, r, v)
	case wantsSocket:
		if s.admitsUser(w, v) {
			s.serveWebSocket(w, r, v)
		}
	case wantsTURN:
		s.TURN.serve(w, v.session)
	case wantsMode:
		s.serveMode(w, r, v)
	case wantsWorker:
		s.serveWorker(w, r, v)
	case wantsStatus:
		s.serveStatus(w, r, v)
	case wantsEvents:
		s.serveEvents(w, r, v)
	case wantsActivity:
		s.serveActivity(w, r, v)
	case wantsWake:
		s.serveWake(w, r, v)
	case wantsTake:
		s.serveTake(w, r, v)
	case wantsNothing:
		http.NotFound(w, r)
	case wantsAnything:
		s.serveRequest(w, r, v)
	}
}

func (s *Server) find(address string) (directory.View, bool) {
	key, ok := s.Directory.Lookup(address)
	if !ok {
		return directory.View{}, false
	}
	return s.Directory.View(key)
}

func (s *Server) known(address string) bool {
	_, ok := s.Directory.Lookup(address)
	return ok
}

// sendsOn sends the visitor to another path of this host, with the same method; false
// when there is none.
func (s *Server) sendsOn(w http.ResponseWriter, to string) bool {
	if to == "" {
		return false
	}
	w.Header().Set("Location", to)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusTemporaryRedirect)
	return true
}

func (s *Server) refuse(w http.ResponseWriter, why metrics.Refusal, m page.Message) {
	s.Metrics.Refused(why)
	s.Log.Debug("refused a visitor", "reason", why)
	// A body that trickles in must not keep a stranger's connection, nor a stranger an
	// idle one.
	w.Header().Set("Connection", "close")
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.Config.Limits.HeaderTimeout.Duration))
	page.WriteMessage(w, m)
}

func (s *Server) refuseToken(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, auth.ErrNoToken):
		s.refuse(w, metrics.RefusedNoToken, page.NoToken)
	case errors.Is(err, token.ErrExpired):
		s.refuse(w, metrics.RefusedExpiredToken, page.Expired)
	case errors.Is(err, token.ErrForeign):
		s.refuse(w, metrics.RefusedForeignToken, page.Foreign)
	default:
		s.refuse(w, metrics.RefusedBadToken, page.BadToken)
	}
}
