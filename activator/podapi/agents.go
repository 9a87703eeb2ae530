package podapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/wake"
	"github.com/org/vdi-operator/pkg/agentapi"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/token"
)

// What agents say is believed only of the pod and the session that their token is for, and
// an address only when the request comes from there: who has the token still cannot make
// the activator dial elsewhere.

// OwnAddresses are this machine's.
func OwnAddresses(log *slog.Logger) (own []netip.Addr) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		log.Warn("the activator's own addresses cannot be listed; announcements of them are not refused", "error", err)
	}
	for _, addr := range addrs {
		if p, err := netip.ParsePrefix(addr.String()); err == nil {
			own = append(own, p.Addr().Unmap())
		}
	}
	return own
}

// serveAnnouncement takes a pod's word for where it is and whether its desktop
// listens.
func (a *API) serveAnnouncement(w http.ResponseWriter, r *http.Request) {
	view, said, ok := serveAgent[agentapi.Announcement](a, w, r)
	if !ok {
		return
	}
	log := a.Log.With("namespace", view.Session.Namespace, "session", view.Session.Name, "pod", said.Pod, "from", r.RemoteAddr)
	from, err := a.sender(r)
	if err == nil && from != said.Address.Unmap() {
		err = fmt.Errorf("the announcement comes from %s, and its sender takes itself for %s: something on the way translates addresses",
			from, said.Address)
	}
	if err == nil {
		err = a.Directory.Announce(client.ObjectKeyFromObject(view.Session),
			directory.Announcement{Pod: said.Pod, Address: from, Listening: said.Listening, AgentPort: said.Port, StandsIn: said.StandsIn})
	}
	if err != nil {
		log.Info("did not believe a pod's announcement; its address comes from the API", "reason", err)
		a.refuse(w, closing.AgentAddress.Ending(err))
		return
	}
	log.Debug("a pod announced itself", "listening", said.Listening)
	w.WriteHeader(http.StatusNoContent)
}

// serveActivity takes the time of the last input at the desktop's display.
func (a *API) serveActivity(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	view, said, ok := serveAgent[agentapi.Activity](a, w, r)
	if !ok {
		return
	}
	if view.Pod == nil || view.Pod.Name != said.Pod {
		a.refuse(w, closing.AgentOfAnotherPod.Ending())
		return
	}
	if lifecycle.Dozing(view.Session) { // what is frozen is typed at by nobody
		w.Header().Set(agentapi.ReportEveryHeader, wake.ReportInputEvery(view.Session).String())
		w.WriteHeader(http.StatusNoContent)
		return
	}
	input := now.Add(-time.Duration(said.IdleMilliseconds) * time.Millisecond)
	if a.Tracker.Input(r.Context(), view.Session, input) != nil {
		http.Error(w, "the report was not recorded; send the next one", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set(agentapi.ReportEveryHeader, wake.ReportInputEvery(view.Session).String())
	w.WriteHeader(http.StatusNoContent)
}

// serveAgent checks who sends what and reads it; false when it was answered.
func serveAgent[T any](a *API, w http.ResponseWriter, r *http.Request) (directory.View, T, bool) {
	var said T
	raw, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	view, err := a.session(token.AudienceAgent, raw)
	if err != nil {
		a.Log.Info("refused an agent", "path", r.URL.Path, "from", r.RemoteAddr, "reason", err)
		a.refuse(w, closing.AgentToken.Ending(err))
		return view, said, false
	}
	// A body that trickles in must not keep a connection.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(a.BodyTimeout))
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, agentapi.MaxLength)).Decode(&said); err != nil {
		a.refuse(w, closing.AgentReport.Ending(err))
		return view, said, false
	}
	return view, said, true
}

// sender is where a request comes from, if a desktop's pod can be there.
func (a *API) sender(r *http.Request) (netip.Addr, error) {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("the request's source: %w", err)
	}
	addr := from.Addr().Unmap().WithZone("")
	if addr.IsLoopback() || addr.IsUnspecified() || addr.IsMulticast() || addr.IsLinkLocalUnicast() || slices.Contains(a.Own, addr) {
		return netip.Addr{}, errors.New("no desktop is at " + addr.String())
	}
	return addr, nil
}

// refuse answers an agent that is not believed.
func (a *API) refuse(w http.ResponseWriter, why *closing.Ending) {
	a.Metrics.Refused(why.Label())
	why.Answer(w)
}
