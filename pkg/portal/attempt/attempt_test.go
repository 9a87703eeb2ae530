package attempt

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/keyset"
	"github.com/org/vdi-operator/pkg/portal/seal"
)

func jar(t testing.TB, secure bool) Jar {
	b, err := seal.New(keyset.New())
	require.NoError(t, err)
	return Jar{Box: b, Secure: secure}
}

// browser keeps cookies as one does.
type browser map[string]*http.Cookie

func (b browser) do(f func(w http.ResponseWriter, r *http.Request)) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for _, c := range b {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	f(w, r)
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(b, c.Name)
		} else {
			b[c.Name] = c
		}
	}
}

func (b browser) begin(j Jar, a Attempt) {
	b.do(func(w http.ResponseWriter, r *http.Request) { j.Put(w, r, a) })
}

func (b browser) take(j Jar, state string, now time.Time) (a Attempt, ok bool) {
	b.do(func(w http.ResponseWriter, r *http.Request) { a, ok = j.Take(w, r, state, now) })
	return a, ok
}

func TestAnAttemptEndsInTheBrowserThatBeganItAndOnce(t *testing.T) {
	now := time.Now().Round(0)
	for _, secure := range []bool{true, false} {
		j, mine, other := jar(t, secure), browser{}, browser{}
		a := New("https://idp", "verifier", "/x", now)
		mine.begin(j, a)
		for name, c := range mine {
			assert.Equal(t, secure, strings.HasPrefix(name, "__Host-") && c.Secure)
			assert.True(t, c.HttpOnly && c.SameSite == http.SameSiteLaxMode && c.Path == "/")
			assert.NotContains(t, c.Value+name, a.State)
		}
		_, ok := other.take(j, a.State, now)
		assert.False(t, ok, "another browser")
		_, ok = mine.take(j, "another state", now)
		assert.False(t, ok, "another state")
		got, ok := mine.take(j, a.State, now.Add(Lasts-time.Second))
		assert.True(t, ok)
		assert.True(t, a.Began.Equal(got.Began))
		got.Began = a.Began
		assert.Equal(t, a, got)
		_, ok = mine.take(j, a.State, now)
		assert.False(t, ok, "a second time")
	}
}

func TestAnAttemptThatIsTooOldOrOfACookieThatWasMovedIsNone(t *testing.T) {
	now, j, b := time.Now(), jar(t, true), browser{}
	a, other := New("https://idp", "v", "/", now), New("https://idp", "v", "/", now)
	b.begin(j, a)
	b[j.name(other.State)] = &http.Cookie{Name: j.name(other.State), Value: b[j.name(a.State)].Value}
	_, ok := b.take(j, other.State, now)
	assert.False(t, ok, "a's cookie under another name")
	_, ok = b.take(j, a.State, now.Add(Lasts))
	assert.False(t, ok, "too old")
}

func TestSeveralTabsAtOnceAndTheOldestGoes(t *testing.T) {
	now, j, b := time.Now(), jar(t, true), browser{"__Host-vdi-signin-rubbish": {Name: "__Host-vdi-signin-rubbish", Value: "?"}}
	var all []Attempt
	for i := range most + 1 {
		all = append(all, New("https://idp", "v", "/", now.Add(time.Duration(i)*time.Second)))
		b.begin(j, all[i])
	}
	assert.Len(t, b, most)
	_, ok := b.take(j, all[0].State, now)
	assert.False(t, ok, "the oldest")
	for _, a := range all[1:] {
		_, ok := b.take(j, a.State, now.Add(time.Minute))
		assert.True(t, ok)
	}
}

func FuzzCookie(f *testing.F) {
	j := jar(f, true)
	f.Add("", "")
	f.Add("state", strings.Repeat("A", 5000))
	f.Fuzz(func(t *testing.T, state, value string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", j.name(state)+"="+value)
		_, ok := j.Take(httptest.NewRecorder(), r, state, time.Now())
		assert.False(t, ok, "made by somebody else")
		j.Put(httptest.NewRecorder(), r, New("https://idp", "v", "/", time.Now()))
	})
}
