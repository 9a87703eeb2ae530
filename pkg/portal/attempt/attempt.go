// Package attempt keeps a sign-in that is under way in a cookie of the browser that began it.
//
// An attempt is nowhere else: whatever replica of the portal the provider sends the browser
// back to finishes it, and nothing that visitors begin costs the portal memory. The provider's
// answer is taken from this very browser alone, since its state opens no other's cookie.
package attempt

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/org/vdi-operator/pkg/portal/seal"
	"github.com/org/vdi-operator/pkg/signin"
)

const (
	// Lasts is how long a person may take at the provider.
	Lasts = 10 * time.Minute
	// most is how many one browser has under way, a tab each.
	most = 8
	// maxCookie is longer than any of ours: To is bounded by whoever begins.
	maxCookie = 4096
	// shortLength distinguishes a browser's attempts.
	shortLength = 16

	secureName = "__Host-vdi-signin-"
	plainName  = "vdi-signin-"
)

// Attempt is a sign-in under way.
type Attempt struct {
	// State comes back from the provider in the URL.
	State string `json:"state"`
	// Nonce comes back in the ID token.
	Nonce string `json:"nonce"`
	// Verifier proves to the provider who began (PKCE).
	Verifier string `json:"verifier"`
	// Issuer is the provider that the browser was sent to.
	Issuer string `json:"issuer"`
	// To is where the person wanted to go.
	To string `json:"to"`
	// Began is when.
	Began time.Time `json:"began"`
}

// New begins one.
func New(issuer, verifier, to string, now time.Time) Attempt {
	return Attempt{State: signin.NewSecret(), Nonce: signin.NewSecret(), Verifier: verifier, Issuer: issuer, To: to, Began: now}
}

// Jar reads and writes attempts as cookies.
type Jar struct {
	Box *seal.Box
	// Secure is false where the portal is served without TLS.
	Secure bool
}

// Put gives the browser the cookie, and takes the oldest where it has too many.
func (j Jar) Put(w http.ResponseWriter, r *http.Request, a Attempt) {
	held := j.held(r)
	for len(held) >= most {
		j.drop(w, held[0].name)
		held = held[1:]
	}
	raw, _ := json.Marshal(a) // strings and a time
	name := j.name(a.State)
	j.set(w, name, base64.RawURLEncoding.EncodeToString(j.Box.Seal(raw, name)), int(Lasts/time.Second))
}

// Take returns the attempt that this browser began with the state, once: the cookie goes.
func (j Jar) Take(w http.ResponseWriter, r *http.Request, state string, now time.Time) (Attempt, bool) {
	name := j.name(state)
	c, err := r.Cookie(name)
	if err != nil {
		return Attempt{}, false
	}
	j.drop(w, name)
	a, ok := j.open(c)
	return a, ok && a.State == state && !now.Before(a.Began.Add(-time.Minute)) && now.Before(a.Began.Add(Lasts))
}

// name says nothing of the state to whoever sees the cookie's name alone.
func (j Jar) name(state string) string { return j.prefix() + signin.Hash(state)[:shortLength] }

func (j Jar) prefix() string {
	if j.Secure {
		return secureName
	}
	return plainName
}

// held is a cookie of ours that the browser has, and when its attempt began.
type held struct {
	name  string
	began time.Time
}

// held are the browser's, the oldest first; what cannot be read is the oldest of all.
func (j Jar) held(r *http.Request) []held {
	var all []held
	for _, c := range r.Cookies() {
		if strings.HasPrefix(c.Name, j.prefix()) {
			a, _ := j.open(c)
			all = append(all, held{name: c.Name, began: a.Began})
		}
	}
	slices.SortStableFunc(all, func(a, b held) int { return a.began.Compare(b.began) })
	return all
}

func (j Jar) open(c *http.Cookie) (a Attempt, ok bool) {
	if len(c.Value) > maxCookie {
		return Attempt{}, false
	}
	sealed, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil {
		return Attempt{}, false
	}
	raw, err := j.Box.Open(sealed, c.Name)
	if err != nil || json.Unmarshal(raw, &a) != nil {
		return Attempt{}, false
	}
	return a, true
}

func (j Jar) drop(w http.ResponseWriter, name string) { j.set(w, name, "", -1) }

func (j Jar) set(w http.ResponseWriter, name, value string, maxAge int) {
	// Lax: the provider sends the browser back by a navigation from its own site.
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true, Secure: j.Secure, SameSite: http.SameSiteLaxMode})
}
