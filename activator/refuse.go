package activator

import (
	"net/http"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/page"
)

// refuseVisitor refuses, with a page, a visitor who is not let in.
func (s *Server) refuseVisitor(w http.ResponseWriter, why *closing.Refusal) {
	s.count(why.Ending())
	page.WriteRefusal(w, why)
}

// refuse refuses a plain request with a line of text.
func (s *Server) refuse(w http.ResponseWriter, why error) {
	e := closing.Of(why)
	s.count(e)
	s.hurry(w)
	e.Answer(w)
}

// count counts an ending that is a refusal; a shutdown, for one, is none.
func (s *Server) count(e *closing.Ending) {
	if e.Label() != "" {
		s.Metrics.Refused(e.Label())
		s.Log.Debug("refused a visitor", "reason", e.Label())
	}
}
