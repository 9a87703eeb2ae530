package podapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/pkg/agentapi"
	"github.com/org/vdi-operator/pkg/token"
)

// errWaits says that a pod is in a warm pool and nobody's yet.
var errWaits = errors.New("the pod waits in a warm pool and is no session's yet")

// claimed is the session that has claimed the pod of a token.
func (a *API) claimed(aud token.Audience, raw string) (directory.View, error) {
	view, _, err := a.claims(aud, raw)
	return view, err
}

// claims is claimed, or errWaits with a channel that is closed when that may be different.
func (a *API) claims(aud token.Audience, raw string) (directory.View, <-chan struct{}, error) {
	pod, err := a.Verifier.VerifyPod(aud, raw, time.Now())
	if err != nil {
		return directory.View{}, nil, err
	}
	view, claimed, known, changed := a.Directory.OfPod(pod.UID)
	switch {
	case claimed:
		return view, nil, nil
	case known:
		return view, changed, errWaits
	}
	return view, changed, token.ErrForeign
}

// serveClaim keeps the agent of a pod that waits in a warm pool until a session has claimed it. A
// pod that the API has not shown yet is waited for as well.
func (a *API) serveClaim(w http.ResponseWriter, r *http.Request) {
	raw, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(agentapi.ClaimWait + a.BodyTimeout))
	waited := time.NewTimer(agentapi.ClaimWait)
	defer waited.Stop()
	for {
		view, changed, err := a.claims(token.AudienceAgent, raw)
		switch {
		case err == nil:
			s := view.Session
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(agentapi.Claim{Namespace: s.Namespace, Session: s.Name, Template: s.Spec.Template, User: s.Spec.User})
			return
		case changed == nil:
			a.Log.Info("refused an agent", "path", r.URL.Path, "from", r.RemoteAddr, "reason", err)
			a.refuse(w, closing.AgentToken.Ending(err))
			return
		}
		select {
		case <-changed:
		case <-waited.C:
			w.WriteHeader(http.StatusNoContent)
			return
		case <-r.Context().Done():
			return
		}
	}
}
