package nodeapi

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// answering is where a program answers each order alike, and what it was asked.
func answering(t *testing.T, status int, text string) (netip.AddrPort, *[]*http.Request) {
	t.Helper()
	var asked []*http.Request
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r)
		if status == http.StatusNoContent {
			w.WriteHeader(status)
			return
		}
		http.Error(w, text, status)
	}))
	t.Cleanup(srv.Close)
	return netip.MustParseAddrPort(srv.Listener.Addr().String()), &asked
}

func TestAnAnswerBecomesTheErrorThatCallersTellApart(t *testing.T) {
	for status, want := range map[int]error{
		http.StatusNoContent: nil, http.StatusForbidden: ErrRefused, http.StatusNotFound: ErrNoPod,
		http.StatusConflict: ErrOvertaken, http.StatusServiceUnavailable: ErrCannot,
	} {
		at, asked := answering(t, status, "because")
		for path, ask := range map[string]func() error{
			FreezePath: func() error { return NewClient().Freeze(t.Context(), at, "signed") },
			ThawPath:   func() error { return NewClient().Thaw(t.Context(), at, "signed") },
		} {
			*asked = nil
			err := ask()
			require.ErrorIs(t, err, want, "%d", status)
			if want != nil {
				assert.ErrorContains(t, err, "because")
			}
			require.Len(t, *asked, 1)
			r := (*asked)[0]
			assert.Equal(t, []string{http.MethodPost, path, "Bearer signed"}, []string{r.Method, r.URL.Path, r.Header.Get("Authorization")})
			assert.Zero(t, r.ContentLength)
		}
	}
}

func TestAStrangeAnswerIsNoneOfThem(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusFound, http.StatusInternalServerError} {
		at, _ := answering(t, status, strings.Repeat("x", 2*MaxReason))
		err := NewClient().Thaw(t.Context(), at, "signed")
		require.Error(t, err, "%d", status)
		assert.LessOrEqual(t, len(err.Error()), MaxReason+100)
		for _, known := range []error{ErrRefused, ErrNoPod, ErrOvertaken, ErrCannot} {
			assert.NotErrorIs(t, err, known, "%d", status)
		}
	}
}

func TestWhereNothingListensTheErrorSaysSo(t *testing.T) {
	srv := httptest.NewServer(nil)
	at := netip.MustParseAddrPort(srv.Listener.Addr().String())
	srv.Close()
	assert.ErrorContains(t, NewClient().Thaw(t.Context(), at, "signed"), "asking the program on the node")
}

func TestAnAnswerThatIsNoPressureIsAnError(t *testing.T) {
	for body, says := range map[string]string{
		`{"stalled":12.5,"available":30}`:  "",
		`{"stalled":101,"available":30}`:   "stalled is 101: must be a share in percent, from 0 to 100",
		`{"stalled":1,"available":-1}`:     "available is -1",
		`pressure`:                         "answered no pressure",
		"":                                 "answered no pressure",
		strings.Repeat(" ", maxPressure+1): "answered no pressure",
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			assert.Equal(t, []string{http.MethodGet, PressurePath, "Bearer signed"}, []string{r.Method, r.URL.Path, r.Header.Get("Authorization")})
			_, _ = w.Write([]byte(body))
		}))
		got, err := NewClient().Pressure(t.Context(), netip.MustParseAddrPort(srv.Listener.Addr().String()), "signed")
		srv.Close()
		if says != "" {
			require.ErrorContains(t, err, says)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, Pressure{Stalled: 12.5, Available: 30}, got)
	}
	at, _ := answering(t, http.StatusNotFound, "404 page not found")
	_, err := NewClient().Pressure(t.Context(), at, "signed")
	assert.ErrorIs(t, err, ErrNoPod, "a program from before this was asked")
}
