package standin

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/pkg/agentapi"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newStandIns() *StandIns {
	return New(config.Default().Limits, metrics.NewActivator(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
}

func TestWhatAnAgentAnswersIsCountedAndBelievedOnlyIfItIsAnEnd(t *testing.T) {
	for name, tc := range map[string]struct {
		answers http.HandlerFunc
		want    agentapi.End
	}{
		"taken":            {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"end":"taken"}`)) }, agentapi.EndTaken},
		"refused":          {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"end":"refused"}`)) }, agentapi.EndRefused},
		"another word":     {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"end":"x"}`)) }, metrics.StandInFailed},
		"too many of them": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(strings.Repeat(" ", 1<<20))) }, metrics.StandInFailed},
		"a refusal":        {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusServiceUnavailable) }, metrics.StandInFailed},
		"a way elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
		}, metrics.StandInFailed},
	} {
		t.Run(name, func(t *testing.T) {
			s, srv := newStandIns(), httptest.NewServer(tc.answers)
			defer srv.Close()
			s.Ask(t.Context(), srv.Listener.Addr().String(), page.Screen{Width: 1, Height: 1, Scale: 1})
			assert.EqualValues(t, 1, testutil.ToFloat64(s.metrics.StandIns.WithLabelValues(string(tc.want))))
		})
	}
}

func TestWhoLeavesGivesThePlaceBack(t *testing.T) {
	asked := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = r.Body.Read(make([]byte, agentapi.MaxLength))
		close(asked)
		<-r.Context().Done()
	}))
	defer srv.Close()
	s := newStandIns()
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		<-asked
		leave()
	}()
	s.Ask(ctx, srv.Listener.Addr().String(), page.Screen{Width: 1, Height: 1, Scale: 1})
	assert.EqualValues(t, 1, testutil.ToFloat64(s.metrics.StandIns.WithLabelValues(string(agentapi.EndGivenBack))))
}

func TestAClientWhoseAgentIsGoneIsLedToTheDesktop(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	gone := l.Addr().String()
	require.NoError(t, l.Close())
	desktop, other := net.Pipe()
	defer func() { _ = other.Close() }()
	got := make(chan net.Conn)
	cancel := newStandIns().Take(gone, func(c net.Conn, _ error) { got <- c },
		func(done func(net.Conn, error)) func() {
			go done(desktop, nil)
			return func() {}
		})
	defer cancel()
	assert.Same(t, desktop, <-got)
	_ = desktop.Close()
}
