package portal

import (
	"net/http"
	"time"

	"github.com/org/vdi-operator/pkg/signin"
)

// The cookie's names. The prefix __Host- makes browsers insist on Secure, on the path / and on
// this very host: no desktop, whose host is beside this one, sets it.
const (
	secureCookie = "__Host-vdi-portal"
	plainCookie  = "vdi-portal"
)

// cookie has the secret of a person's sign-in.
type cookie struct {
	name   string
	secure bool
}

func newCookie(secure bool) cookie {
	if secure {
		return cookie{secureCookie, true}
	}
	return cookie{plainCookie, false}
}

// read is the secret that the browser shows; what is no secret by its form is none.
func (c cookie) read(r *http.Request) (secret string, ok bool) {
	one, err := r.Cookie(c.name)
	if err != nil || !signin.IsSecret(one.Value) {
		return "", false
	}
	return one.Value, true
}

func (c cookie) set(w http.ResponseWriter, secret string, lasts time.Duration) {
	c.write(w, secret, int(lasts/time.Second))
}

func (c cookie) clear(w http.ResponseWriter) { c.write(w, "", -1) }

func (c cookie) write(w http.ResponseWriter, value string, maxAge int) {
	// Lax: a desktop's host sends the browser here by a navigation, and so does a bookmark.
	http.SetCookie(w, &http.Cookie{Name: c.name, Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true, Secure: c.secure, SameSite: http.SameSiteLaxMode})
}
