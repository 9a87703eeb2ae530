package page

import (
	"net/http"
	"strings"

	"github.com/org/vdi-operator/activator/closing"
)

// Changed is a writer that changes an answer's header before it is sent.
type Changed struct {
	http.ResponseWriter
	Change func(http.Header)
	done   bool
}

// Framed is a writer for the document in the page's frame. The page that frames it is
// of its own origin, so a desktop that forbids every frame, which protects it from
// other sites, is read as forbidding other sites' frames; nobody but us could have
// framed it before either.
func Framed(w http.ResponseWriter) *Changed { return &Changed{ResponseWriter: w, Change: relax} }

// Unwrap serves http.ResponseController.
func (c *Changed) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (c *Changed) WriteHeader(status int) {
	if !c.done && status >= http.StatusOK {
		c.done = true
		c.Change(c.Header())
	}
	c.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (c *Changed) Write(b []byte) (int, error) {
	if !c.done {
		c.WriteHeader(http.StatusOK)
	}
	return c.ResponseWriter.Write(b)
}

func relax(h http.Header) {
	if h.Get("X-Frame-Options") != "" {
		h.Set("X-Frame-Options", "SAMEORIGIN")
	}
	for _, name := range []string{"Content-Security-Policy", "Content-Security-Policy-Report-Only"} {
		var policies []string
		for _, line := range h.Values(name) {
			for policy := range strings.SplitSeq(line, ",") {
				policies = append(policies, relaxed(policy))
			}
		}
		h.Del(name)
		for _, p := range policies {
			h.Add(name, p)
		}
	}
}

// relaxed is a policy that lets its own origin frame it, and whomever it allowed.
func relaxed(policy string) string {
	directives := strings.Split(policy, ";")
	for i, d := range directives {
		words := strings.Fields(d)
		if len(words) == 0 || !strings.EqualFold(words[0], "frame-ancestors") {
			continue
		}
		allowed := []string{"frame-ancestors", "'self'"}
		for _, w := range words[1:] {
			if !strings.EqualFold(w, "'none'") && !strings.EqualFold(w, "'self'") {
				allowed = append(allowed, w)
			}
		}
		directives[i] = " " + strings.Join(allowed, " ")
	}
	return strings.TrimSpace(strings.Join(directives, ";"))
}

// WriteNothing fills the page's frame while there is no desktop to show in it. The
// page around it knows it by its mark, and says what happens.
func WriteNothing(w http.ResponseWriter) {
	render(w, http.StatusServiceUnavailable, "nothing.html", closing.BrokenOff)
}
