package activator

import (
	"net/http"
	"path"

	"github.com/org/vdi-operator/activator/page"
)

// isWorker says that a browser asks for the script of a service worker. It says so in
// this field by the standard (Service Workers, section "Service-Worker").
func isWorker(r *http.Request) bool { return r.Header.Get("Service-Worker") == "script" }

// serveWorker keeps a desktop from answering page loads of its host in the browser:
// there, nobody would see whether it starts, sleeps or fails, and what it once served
// would outlive it. A worker below a folder of its own is the desktop's business.
func (s *Server) serveWorker(w http.ResponseWriter, r *http.Request, v visitor) {
	if path.Dir(path.Clean(r.URL.Path)) == "/" {
		http.Error(w, "service workers for all of a desktop's host are not allowed: they would take the place of its page", http.StatusForbidden)
		return
	}
	narrow := func(h http.Header) { h.Del("Service-Worker-Allowed") } // it gets the folder of its script
	s.serveRequest(&page.Changed{ResponseWriter: w, Change: narrow}, r, v)
}
