package portal

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/config"
)

func TestACodeIsAnsweredOrRefusedOrThePortalIsAway(t *testing.T) {
	for name, tc := range map[string]struct {
		status  int
		body    string
		refused string
		away    bool
	}{
		"good":              {200, `{"signIn":"signin-a","user":"a@example.com","admin":true}`, "", false},
		"used":              {403, `{"reason":"used"}`, "used", false},
		"an unknown reason": {403, `{"reason":"x"}`, "", true},
		"no JSON":           {200, "<html>", "", true},
		"nobody":            {200, `{"signIn":"signin-a"}`, "", true},
		"no sign-in":        {200, `{"user":"a"}`, "", true},
		"a fault":           {500, `{"signIn":"signin-a","user":"a"}`, "", true},
		"too much":          {200, `{"signIn":"signin-a","user":"a","x":"` + strings.Repeat("x", redeemBytes) + `"}`, "", true},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(tc.status)
			_, _ = w.Write([]byte(tc.body))
		}))
		answer, err := NewRedeemer(srv.URL).Redeem(t.Context(), Question{Code: "c"})
		srv.Close()
		var refused *RefusedError
		switch {
		case tc.refused != "":
			require.ErrorAs(t, err, &refused, name)
			assert.Equal(t, tc.refused, refused.Reason)
		case tc.away:
			require.Error(t, err, name)
			assert.False(t, errors.As(err, &refused), name)
			assert.NotContains(t, err.Error(), "signin-a")
		default:
			require.NoError(t, err)
			assert.Equal(t, Answer{SignIn: "signin-a", User: "a@example.com", Admin: true}, answer)
		}
	}
}

func TestAPortalThatIsSilentIsNotWaitedForLong(t *testing.T) {
	over := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))
	defer srv.Close()
	defer close(over)
	began := time.Now()
	_, err := NewRedeemer(srv.URL).Redeem(t.Context(), Question{})
	require.Error(t, err)
	assert.Less(t, time.Since(began), 4*redeemWithin)
}

func TestABodyThatCannotBeReadIsNoFaultOfThePortals(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer srv.Close()
	cfg := config.Default()
	cfg.Portal = &config.Portal{Host: "portal.example.com"}
	away := 0
	p, err := NewProxy(Options{Config: cfg, At: srv.URL, Log: slog.New(slog.DiscardHandler), Client: func(*http.Request) string { return "" },
		Strip: func(*http.Request, http.Header) {}, Away: func() { away++ }})
	require.NoError(t, err)
	defer p.Close()
	for name, tc := range map[string]struct {
		body io.Reader
		want int
	}{
		"a form":     {strings.NewReader("a=b"), http.StatusOK},
		"too long":   {strings.NewReader(strings.Repeat("x", bodyBytes+1)), http.StatusRequestEntityTooLarge},
		"broken off": {iotest.ErrReader(io.ErrUnexpectedEOF), http.StatusBadRequest},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, "/", io.NopCloser(tc.body))
		p.ServeHTTP(w, r, func() {})
		assert.Equal(t, tc.want, w.Code, name)
	}
	assert.Zero(t, away)
}

func FuzzAnswered(f *testing.F) {
	f.Add(200, []byte(`{"signIn":"signin-a","user":"a"}`))
	f.Add(403, []byte(`{"reason":"used"}`))
	f.Fuzz(func(t *testing.T, status int, raw []byte) {
		if a, err := answered(status, raw); err == nil && (status != http.StatusOK || a.User == "" || !strings.HasPrefix(a.SignIn, "signin-")) {
			t.Errorf("%d %q answers %+v", status, raw, a)
		}
	})
}
