package activator

import (
	"net/http"
	"time"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/pkg/agentapi"
	"github.com/org/vdi-operator/pkg/token"
)

// Internal serves what runs in sessions' pods: desktops, which ask for their TURN
// configuration, and the agents beside them. Each shows a token that the operator gave
// to its container. It listens where visitors cannot come.
func (s *Server) Internal() http.Handler { return newAgents(s).internal() }

func (a *agents) internal() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+TURNPath, a.serveDesktopsTURN)
	mux.HandleFunc("POST "+agentapi.AnnouncePath, a.serveAnnouncement)
	mux.HandleFunc("POST "+agentapi.ActivityPath, a.serveActivity)
	return mux
}

// podsSession is the session that a pod's token is for, as it is now.
func (s *Server) podsSession(aud token.Audience, raw string) (directory.View, error) {
	sub, _, err := s.Verifier.Verify(aud, raw, time.Now())
	if err != nil {
		return directory.View{}, err
	}
	view, ok := s.Directory.View(sub.Session)
	if !ok {
		return directory.View{}, token.ErrForeign
	}
	return view, sub.Opens(view.Session)
}
