// Package podapi serves what runs in sessions' pods: desktops, which ask for their TURN
// configuration, and the agents beside them. Each shows a token that the operator gave to
// its container.
//
// It listens where visitors cannot come, and knows nothing of them.
package podapi

import (
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/turnconfig"
	"github.com/org/vdi-operator/activator/wake"
	"github.com/org/vdi-operator/pkg/agentapi"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/token"
)

// TURNPath is where desktops ask for their configuration.
const TURNPath = "/turn"

// podTokenHeader carries a desktop's token: Selkies sends SELKIES_TURN_REST_USERNAME
// in it (v1.6.2, SELKIES_TURN_REST_USERNAME_AUTH_HEADER's default).
const podTokenHeader = "X-Auth-User"

// API is what it is made of.
type API struct {
	Directory *directory.Directory
	Tracker   *wake.Tracker
	Verifier  *token.Verifier
	TURN      *turnconfig.Server
	Metrics   *metrics.Activator
	Log       *slog.Logger
	// BodyTimeout is how long a report may take to arrive.
	BodyTimeout time.Duration
	// Own are this machine's addresses, where no desktop is.
	Own []netip.Addr
}

// Handler serves the API. No connection is kept: pods ask seldom, and a stranger must not
// hold one.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+TURNPath, a.serveTURN)
	mux.HandleFunc("POST "+agentapi.AnnouncePath, a.serveAnnouncement)
	mux.HandleFunc("POST "+agentapi.ActivityPath, a.serveActivity)
	mux.HandleFunc("POST "+agentapi.ClaimPath, a.serveClaim)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		mux.ServeHTTP(w, r)
	})
}

// session is the one that a pod's token is for, as it is now.
func (a *API) session(aud token.Audience, raw string) (directory.View, error) {
	sub, _, err := a.Verifier.Verify(aud, raw, time.Now())
	if errors.Is(err, token.ErrMalformed) { // or it is for a pod, whose session it takes
		return a.claimed(aud, raw)
	}
	if err != nil {
		return directory.View{}, err
	}
	view, ok := a.Directory.View(sub.Session)
	if !ok {
		return directory.View{}, token.ErrForeign
	}
	return view, sub.Opens(view.Session)
}

// serveTURN answers a desktop, which shows the token that the operator gave to it. One that waits
// in a warm pool asks at its start, before it is anybody's.
func (a *API) serveTURN(w http.ResponseWriter, r *http.Request) {
	raw := r.Header.Get(podTokenHeader)
	view, err := a.session(token.AudienceTURN, raw)
	switch pod := (token.Pod{}); {
	case err == nil:
		a.TURN.Serve(w, view.Session)
		return
	case errors.Is(err, errWaits):
		if pod, err = a.Verifier.VerifyPod(token.AudienceTURN, raw, time.Now()); err == nil {
			a.TURN.Serve(w, &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Name.Namespace, Name: pod.Name.Name}})
			return
		}
	}
	a.Log.Info("refused a desktop's request for TURN credentials", "reason", err)
	http.Error(w, err.Error(), http.StatusForbidden)
}
