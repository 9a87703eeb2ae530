package activator

import (
	"net/http"
	"path"
)

// isWorker says that a browser asks for the script of a service worker. It says so in
// this field by the standard (Service Workers, section "Service-Worker").
func isWorker(r *http.Request) bool { return r.Header.Get("Service-Worker") == "script" }

// serveWorker keeps a desktop from answering page loads of its host in the browser:
// there, nobody would see whether it starts, sleeps or fails, and what it once served
// would outlive it. A worker below a folder of its own is the desktop's business.
func (s *Server) serveWorker(w http.ResponseWriter, r *http.Request, v visitor) {
	if path.Dir(path.Clean(r.URL.Path)) == "/" {
		http.Error(w, "service workers for a desktop's whole host are not allowed: they would take the place of its page", http.StatusForbidden)
		return
	}
	s.serveRequest(&narrowed{ResponseWriter: w}, r, v)
}

// narrowed leaves a worker the folder of its script.
type narrowed struct{ http.ResponseWriter }

// Unwrap serves http.ResponseController.
func (n *narrowed) Unwrap() http.ResponseWriter { return n.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (n *narrowed) WriteHeader(status int) {
	n.Header().Del("Service-Worker-Allowed")
	n.ResponseWriter.WriteHeader(status)
}
