package portal

import (
	_ "embed"
	"html/template"
	"net/http"
	"strings"

	"github.com/org/vdi-operator/pkg/portal/text"
)

//go:embed page.html
var pageSource string

var page = template.Must(template.New("page").Parse(pageSource))

// notice is a page with one thing to say.
type notice struct {
	*text.Tongue
	Title, Text    string
	Link, LinkText string
	// Reload has the page try again by itself.
	Reload bool
}

// show answers with a page for people, and with its sentence for programs.
func (s *Server) show(w http.ResponseWriter, r *http.Request, status int, n notice) {
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		http.Error(w, n.Title+": "+n.Text, status)
		return
	}
	if n.Reload {
		w.Header().Set("Refresh", "5")
	}
	w.Header().Add("Vary", "Accept-Language")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_ = page.Execute(w, n)
}
