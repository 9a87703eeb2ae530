// Package activator is the data plane: every request for a session's host comes
// here. It finds out who visits, wakes the desktop, holds what the visitor sends
// meanwhile, and passes it on.
//
// The parts live in the folders below; this package wires them into one handler
// and promises that nothing is woken before the visitor was checked.
package activator

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/activator/auth"
	"github.com/org/vdi-operator/activator/clientcache"
	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/confirm"
	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/limit"
	"github.com/org/vdi-operator/activator/listener"
	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/activator/pageapi"
	"github.com/org/vdi-operator/activator/podapi"
	"github.com/org/vdi-operator/activator/portal"
	"github.com/org/vdi-operator/activator/probe"
	"github.com/org/vdi-operator/activator/relay"
	"github.com/org/vdi-operator/activator/route"
	"github.com/org/vdi-operator/activator/sendqueue"
	"github.com/org/vdi-operator/activator/signins"
	"github.com/org/vdi-operator/activator/sockets"
	"github.com/org/vdi-operator/activator/standin"
	"github.com/org/vdi-operator/activator/thaw"
	"github.com/org/vdi-operator/activator/turnconfig"
	"github.com/org/vdi-operator/activator/verdict"
	"github.com/org/vdi-operator/activator/viewer"
	"github.com/org/vdi-operator/activator/wake"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/audit"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/nodeapi"
	"github.com/org/vdi-operator/pkg/token"
)

// Options are what a server is made of; all are required but where it says so.
type Options struct {
	Config    config.Config
	Proxies   listener.Proxies
	Directory *directory.Directory
	Tracker   *wake.Tracker
	Viewers   viewer.Writer
	Clients   *clientcache.Cache
	Guard     *auth.Guard
	Verifier  *token.Verifier
	TURN      *turnconfig.Server
	Metrics   *metrics.Activator
	Log       *slog.Logger
	// Audit says who came, and who was turned away; nil says nothing.
	Audit *audit.Log
	// SignIns are who has signed in at the portal. It is nil where nobody does.
	SignIns *signins.Store
	// PortalAt and RedeemAt are where the portal listens for people and for activators; empty is
	// its Service.
	PortalAt, RedeemAt string
}

// Server serves visitors.
type Server struct {
	Options
	routing    route.Routing
	attendance attendance
	wakings    wakings
	// overreaches and crowded bound lines of the audit, of a session and of an address.
	overreaches *limit.Rate[types.UID]
	crowded     *limit.Rate[netip.Prefix]
	prober      *probe.Prober
	thaws       *thaw.Thawer
	standIns    *standin.StandIns
	// users and networks bound the upgrades of each.
	users    *limit.Rate[asker]
	networks *limit.Rate[netip.Prefix]
	// refusals bound the tokens of an address that open nothing.
	refusals *limit.Rate[netip.Prefix]
	// comers and codes bound who comes from the portal, of an address and of all.
	comers *limit.Rate[netip.Prefix]
	codes  *limit.Rate[struct{}]
	// requests and live bound plain requests and WebSockets, held or not.
	requests, live *limit.Places[types.NamespacedName]
	held           *limit.Places[types.NamespacedName]
	// heldBytes bounds what is kept of WebSockets for desktops that are still to come.
	heldBytes *limit.Bytes[types.NamespacedName]
	rules     *relay.Rules
	http      *relay.HTTP
	pages     *pageapi.API
	confirmer *confirm.Confirmer
	// renewing holds the sessions whose kept files are asked for again.
	renewing sync.Map
	verdicts *verdict.Verdicts
	assets   http.Handler
	// portal is nil where there is none.
	portal   *portal.Proxy
	redeemer *portal.Redeemer

	// holding ends, with closing.ShuttingDown as its cause, when nothing may be held any
	// longer; the WebSockets end by themselves.
	holding     context.Context
	stopHolding context.CancelCauseFunc
	sockets     *sockets.Group
	// stopReviewing ends the look at what lets people in.
	stopReviewing context.CancelFunc
}

// heldFreely are the bytes that each WebSocket may keep whatever others keep: a browser's
// request and its first words fit.
const heldFreely = 4 << 10

// New makes a server.
func New(o Options) *Server {
	l := o.Config.Limits
	s := &Server{
		Options:  o,
		routing:  route.New(o.Config.URL),
		prober:   probe.New(o.Directory, (&net.Dialer{Control: sendqueue.Control}).DialContext),
		users:    limit.NewRate[asker](l.UpgradesPerUser.PerSecond, l.UpgradesPerUser.Burst),
		networks: limit.NewRate[netip.Prefix](l.UpgradesPerAddress.PerSecond, l.UpgradesPerAddress.Burst),
		refusals: limit.NewRate[netip.Prefix](l.RefusalsPerAddress.PerSecond, l.RefusalsPerAddress.Burst),
		comers:   limit.NewRate[netip.Prefix](l.HandoversPerAddress.PerSecond, l.HandoversPerAddress.Burst),
		codes:    limit.NewRate[struct{}](l.Handovers.PerSecond, l.Handovers.Burst),
		requests: limit.NewPlaces[types.NamespacedName](limit.Bound{Places: l.LiveRequests, Beyond: closing.LiveRequests},
			limit.Bound{Places: l.LiveRequestsPerSession, Beyond: closing.LiveRequestsPerSession}, o.Metrics.LiveRequests),
		live: limit.NewPlaces[types.NamespacedName](limit.Bound{Places: l.LiveWebSockets, Beyond: closing.LiveWebSockets},
			limit.Bound{Places: l.LiveWebSocketsPerSession, Beyond: closing.LiveWebSocketsPerSession}, o.Metrics.LiveWebSockets),
		held: limit.NewPlaces[types.NamespacedName](limit.Bound{Places: l.HeldConnections, Beyond: closing.ReplicaLimit},
			limit.Bound{Places: l.HeldConnectionsPerSession, Beyond: closing.SessionLimit}, o.Metrics.Held),
		heldBytes: limit.NewBytes[types.NamespacedName](limit.Bound{Places: l.HeldBytes, Beyond: closing.HeldBytes},
			limit.Bound{Places: l.HeldBytesPerSession, Beyond: closing.HeldBytesPerSession}, heldFreely, o.Metrics.HeldBytes),
		verdicts: verdict.New(),

		overreaches: limit.NewRate[types.UID](overreachesPerSecond, overreachesAtOnce),
		crowded:     limit.NewRate[netip.Prefix](crowdsPerSecond, crowdsAtOnce),
		assets:      page.Assets(),
		sockets:     sockets.New(),
	}
	s.rules = &relay.Rules{Filter: auth.NewFilter(o.Config.Passed, auth.ForwardedFields(o.Config.Auth.Forwarded)...),
		HeadBytes: o.Config.Limits.DesktopHeaderBytes, HeadFields: o.Config.Limits.DesktopHeaderFields}
	s.http = relay.NewHTTP(relay.Options{Rules: s.rules, AnswerWithin: o.Config.Limits.HoldHTTP.Duration, Log: o.Log})
	s.holding, s.stopHolding = context.WithCancelCause(context.Background())
	s.standIns = standin.New(l, o.Metrics, o.Log)
	s.pages = &pageapi.API{
		Directory: o.Directory, Tracker: o.Tracker, Prober: s.prober, Clients: o.Clients,
		Viewers: viewer.New(s.holding, o.Directory, o.Viewers, o.Log, s.sockets.EndViewer),
		Pages: limit.NewPlaces[types.NamespacedName](limit.Bound{},
			limit.Bound{Places: l.PagesPerSession, Beyond: closing.Pages}, o.Metrics.Pages),
		Metrics: o.Metrics, Log: o.Log, Stopping: s.holding, Refuse: s.refuse, Enter: s.enterAs,
		StandIns: s.standIns, Viewed: s.sockets.Viewed,
	}
	if s.signsIn() {
		s.pages.Portal = &pageapi.Portal{Origin: portal.Origin(o.Config), Home: portal.Home(o.Config),
			Sharing: func(namespace, name string) string { return portal.Sharing(o.Config, namespace, name) }}
	}
	s.thaws = thaw.New(nodeapi.NewClient(), l, o.Metrics, o.Log)
	s.prober.Thaws = s.thaws
	o.Directory.Observe(s.thaws.Forget)
	s.openDoor()
	o.Directory.Observe(s.sessionEnds)
	s.confirmer = confirm.New(o.Directory, s.prober, o.Tracker)
	return s
}

// openDoor makes what leads to the portal, if there is one, and begins to look after what lets
// people in.
func (s *Server) openDoor() {
	if s.Config.Portal != nil {
		var err error
		s.portal, err = portal.NewProxy(portal.Options{Config: s.Config, At: s.PortalAt, Log: s.Log, Client: s.clientOf, Strip: s.Guard.StripForwarded,
			Away: func() { s.count(closing.PortalAway.Ending()) }})
		if err != nil {
			panic(err) // the configuration was validated
		}
		s.redeemer = portal.NewRedeemer(cmp.Or(s.RedeemAt, s.Config.Portal.Address(true)))
	}
	if s.SignIns != nil {
		s.SignIns.Observe(func(name string) {
			s.review(func(m *sockets.Member) bool { return m.Visitor.SignIn() == name })
		})
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stopReviewing = stop
	go s.reviewing(ctx)
}

// clientOf is the address of who asks; empty where that is not known.
func (s *Server) clientOf(r *http.Request) string {
	if client, ok := s.Proxies.Client(r); ok {
		return client.String()
	}
	return ""
}

// askerOf is whom the portal's places are counted for: many people are nobody in particular.
func (s *Server) askerOf(r *http.Request) types.NamespacedName {
	if client, ok := s.Proxies.Client(r); ok {
		return types.NamespacedName{Name: listener.Network(client).String()}
	}
	return types.NamespacedName{}
}

// sessionEnds ends what is open of a session that was deleted or switched off, and what is open
// by a share that has ended, or under another access policy. Its pod may go on for a minute.
func (s *Server) sessionEnds(before, after *v1alpha1.VDISession) {
	switch {
	// Its finalizer goes with its last pod: by then everybody would have left.
	case before != nil && (after == nil || after.UID != before.UID || after.DeletionTimestamp != nil && before.DeletionTimestamp == nil):
		s.sockets.EndSession(client.ObjectKeyFromObject(before), closing.Gone.Ending())
	case lifecycle.PoweredOff(after) && before != nil && !lifecycle.PoweredOff(before):
		s.sockets.EndSession(client.ObjectKeyFromObject(after), closing.PoweredOff.Ending())
	case before != nil && (before.Spec.User != after.Spec.User || !equality.Semantic.DeepEqual(before.Spec.Shares, after.Spec.Shares) ||
		!equality.Semantic.DeepEqual(before.Status.Access, after.Status.Access)):
		s.reviewSession(after)
	}
}

// Internal serves what runs in sessions' pods; it listens where visitors cannot come.
func (s *Server) Internal() http.Handler {
	return (&podapi.API{Directory: s.Directory, Tracker: s.Tracker, Verifier: s.Verifier, TURN: s.TURN, Metrics: s.Metrics, Log: s.Log,
		BodyTimeout: s.Config.Limits.HeaderTimeout.Duration, Own: podapi.OwnAddresses(s.Log)}).Handler()
}

// StopHolding makes every held client reconnect elsewhere; relayed connections
// go on.
func (s *Server) StopHolding() {
	s.stopHolding(closing.ShuttingDown.Ending())
	s.sockets.StopHolding()
	s.confirmer.Stop()
	if s.portal != nil {
		s.portal.Close()
	}
}

// Drain waits until the last WebSocket has ended, and ends them all when ctx does.
// No WebSocket is accepted from now on.
func (s *Server) Drain(ctx context.Context) {
	s.sockets.Drain(ctx)
	s.stopReviewing()
	s.thaws.Stop()
}

// ServeHTTP takes a visitor through four steps, each in the file of its name: identify,
// check, understand, serve. Until the check the visitor is a stranger, and may ask for the portal
// or come from it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	welcome := s.stranger(w)
	if s.portal != nil && s.portal.Serves(r) {
		s.servePortal(w, r)
		return
	}
	if strings.HasPrefix(r.URL.Path, page.AssetsPath) {
		s.serveAssets(w, r, welcome)
		return
	}
	at, ok := s.identify(w, r)
	if !ok || s.atDoor(w, at) {
		return
	}
	if who, ok := s.check(w, at); ok {
		welcome()
		s.serve(s.renewed(w, at, who), understand(at, who))
	}
}

// stranger bounds what somebody holds who was not checked. welcome lets a visitor who was keep
// the connection for another request, unless the listener has said already that it closes it.
func (s *Server) stranger(w http.ResponseWriter) (welcome func()) {
	before := w.Header().Get("Connection")
	w.Header().Set("Connection", "close")
	s.hurry(w)
	return func() {
		if before == "" {
			w.Header().Del("Connection")
		}
	}
}

// hurry bounds what is left of a request and of its answer: neither a body that trickles in
// nor an answer that is not read may keep a connection that has no place among the live.
// net/http waits for the one before it writes the other.
func (s *Server) hurry(w http.ResponseWriter) {
	now, within := time.Now(), s.Config.Limits.HeaderTimeout.Duration
	c := http.NewResponseController(w)
	_, _ = c.SetReadDeadline(now.Add(within)), c.SetWriteDeadline(now.Add(2*within))
}

// unhurried lifts that for a request that has such a place, until hurry.
func (s *Server) unhurried(w http.ResponseWriter) (hurry func()) {
	c := http.NewResponseController(w)
	_, _ = c.SetReadDeadline(time.Time{}), c.SetWriteDeadline(time.Time{})
	return func() { s.hurry(w) }
}

// serveAssets serves the pages' style and script, to strangers too.
func (s *Server) serveAssets(w http.ResponseWriter, r *http.Request, welcome func()) {
	if view, ok := s.Directory.Find(s.routing.Of(r).Address); ok {
		if _, known := s.Guard.Known(r, view.Session); known {
			welcome()
		}
	}
	s.assets.ServeHTTP(w, r)
}
