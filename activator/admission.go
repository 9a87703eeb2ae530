package activator

import (
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/org/vdi-operator/activator/door"
	"github.com/org/vdi-operator/activator/limit"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/metrics"
)

// admission bounds how often WebSockets are opened.
//
// It is the one thing that fails an upgrade while a desktop wakes. That is no
// contradiction to holding everything else: a client that reconnects, even one that
// does so without a pause between its attempts of a second each, stays far below
// these rates, and a client that does not wait at all would cost a token's
// verification and a goroutine each time. It is told when to come again.
type admission struct {
	proxies  door.Proxies
	user     *limit.Rate[string]
	networks *limit.Rate[netip.Prefix]
}

func newAdmission(l config.Limits, p door.Proxies) *admission {
	return &admission{
		proxies:  p,
		user:     limit.NewRate[string](l.UpgradesPerUser.PerSecond, l.UpgradesPerUser.Burst),
		networks: limit.NewRate[netip.Prefix](l.UpgradesPerAddress.PerSecond, l.UpgradesPerAddress.Burst),
	}
}

// admitsAddress comes before anything is done for the visitor. Who comes by a trusted
// proxy that does not say for whom is many people, and is bounded by user only.
func (s *Server) admitsAddress(w http.ResponseWriter, r *http.Request) bool {
	client, ok := s.admission.proxies.Client(r)
	if !ok {
		return true
	}
	wait := s.admission.networks.Take(door.Network(client), time.Now())
	return s.admits(w, wait, metrics.RefusedAddressRate, "this address")
}

// admitsUser comes once it is known who visits.
func (s *Server) admitsUser(w http.ResponseWriter, v visitor) bool {
	wait := s.admission.user.Take(v.session.Spec.User, time.Now())
	return s.admits(w, wait, metrics.RefusedUserRate, "you")
}

func (s *Server) admits(w http.ResponseWriter, wait time.Duration, why metrics.Refusal, whose string) bool {
	if wait <= 0 {
		return true
	}
	s.Metrics.Refused(why)
	s.Log.Debug("refused a visitor", "reason", why)
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, fmt.Sprintf("too many WebSockets were opened by %s in a short time; try again in a moment", whose), http.StatusTooManyRequests)
	return false
}
