package portal

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/portal/signins"
)

// maxRedeem is longer than any question of an activator.
const maxRedeem = 4 << 10

// redeemReasons are what an activator is told of a code that opens nothing.
var redeemReasons = map[error]string{signins.ErrUsed: "used", signins.ErrExpired: "expired", signins.ErrBrowser: "browser", signins.ErrSession: "session",
	signins.ErrSignedOut: "signed_out"}

// redeem tells an activator whose browser has a code, once.
func (s *Server) redeem(w http.ResponseWriter, r *http.Request) {
	code, target, err := parseRedeem(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	in, err := s.SignIns.Redeem(r.Context(), code, target)
	if err == nil {
		s.answerJSON(w, http.StatusOK, map[string]any{"signIn": in.Name, "user": in.Spec.User, "admin": in.Spec.Admin})
		return
	}
	for is, reason := range redeemReasons {
		if errors.Is(err, is) {
			s.Metrics.Refused(redeemLabel + reason)
			s.answerJSON(w, http.StatusForbidden, map[string]any{"reason": reason})
			return
		}
	}
	s.Log.Error("a hand-over cannot be finished", "error", err)
	http.Error(w, "the API server does not answer", http.StatusServiceUnavailable)
}

func (s *Server) answerJSON(w http.ResponseWriter, status int, answer map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

var errRedeem = errors.New("want JSON with code, browserHash, namespace, name and uid")

// parseRedeem reads an activator's question.
func parseRedeem(body io.Reader) (code string, t signins.Target, err error) {
	var q struct {
		Code        string    `json:"code"`
		BrowserHash string    `json:"browserHash"`
		Namespace   string    `json:"namespace"`
		Name        string    `json:"name"`
		UID         types.UID `json:"uid"`
	}
	if json.NewDecoder(io.LimitReader(body, maxRedeem)).Decode(&q) != nil || q.Code == "" || q.BrowserHash == "" || q.Name == "" || q.UID == "" {
		return "", signins.Target{}, errRedeem
	}
	return q.Code, signins.Target{BrowserHash: q.BrowserHash, Namespace: q.Namespace, Name: q.Name, UID: q.UID}, nil
}
