package auth

import (
	"net/http"
	"time"

	"github.com/org/vdi-operator/activator/route"
	"github.com/org/vdi-operator/pkg/signin"
)

// The names of the cookie by which a hand-over is bound to the browser that asked for it.
const (
	secureBrowser = "__Host-vdi-browser"
	folderBrowser = "__Secure-vdi-browser"
	plainBrowser  = "vdi-browser"
)

// browserLives is how long a person may take to sign in.
const browserLives = 10 * time.Minute

func (g *Guard) browserName() string {
	switch {
	case !g.secure:
		return plainBrowser
	case g.byPath:
		return folderBrowser
	}
	return secureBrowser
}

// Browser is the hash of what the browser was given before its hand-over; false where it has
// nothing.
func (g *Guard) Browser(r *http.Request) (hash string, ok bool) {
	for _, c := range r.CookiesNamed(g.browserName()) {
		if signin.IsSecret(c.Value) {
			return signin.Hash(c.Value), true
		}
	}
	return "", false
}

// MarkBrowser is Browser for one that is about to be handed over, which it gives what it has
// not.
func (g *Guard) MarkBrowser(w http.ResponseWriter, r *http.Request, face route.Face) (hash string) {
	if hash, ok := g.Browser(r); ok {
		return hash
	}
	secret := signin.NewSecret()
	http.SetCookie(w, g.cookie(g.browserName(), secret, face, browserLives))
	return signin.Hash(secret)
}

// DropBrowser takes it away again.
func (g *Guard) DropBrowser(w http.ResponseWriter, face route.Face) {
	http.SetCookie(w, g.cookie(g.browserName(), "", face, -1))
}
