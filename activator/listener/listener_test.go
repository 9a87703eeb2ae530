package listener

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// enough is how long anything may take on a slow machine.
const enough = 20 * time.Second

// house is a server behind an admission, with a WebSocket at /live that echoes and a
// neighbour who has it open all the time.
type house struct {
	*testing.T
	metrics   *metrics.Activator
	addr      string
	neighbour *websocket.Conn
	// taken is what NetConn gave of each connection that was handed over.
	taken chan net.Conn
}

func open(t *testing.T, trusted []string, how ...func(*config.Limits)) *house {
	limits := config.Default().Limits
	for _, h := range how {
		h(&limits)
	}
	proxies, err := ParseProxies(trusted)
	require.NoError(t, err)
	h := &house{T: t, metrics: metrics.NewActivator(prometheus.NewRegistry()), taken: make(chan net.Conn, 8)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	h.addr = l.Addr().String()
	d := New(limits, proxies, h.metrics, slog.New(slog.DiscardHandler))
	srv := d.Server(http.HandlerFunc(h.serve))
	served := make(chan error, 1)
	go func() { served <- srv.Serve(d.Listener(l.(*net.TCPListener))) }()
	ws, _, err := websocket.DefaultDialer.Dial("ws://"+h.addr+"/live", nil)
	require.NoError(t, err)
	h.neighbour = ws
	t.Cleanup(func() {
		h.expectNeighbour()
		_ = ws.Close()
		_ = srv.Close()
		assert.ErrorIs(t, <-served, http.ErrServerClosed, "the server ended")
		eventually.True(h, "all have left", func() bool {
			return testutil.ToFloat64(h.metrics.Pending) == 0 && testutil.ToFloat64(h.metrics.Idle) == 0
		})
	})
	return h
}

func (h *house) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/live" {
		// An answer that looks like net/http's own is not taken for it.
		http.Error(w, "not here", http.StatusBadRequest)
		return
	}
	ws, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = ws.Close() }()
	if c, ok := ws.NetConn().(interface{ NetConn() net.Conn }); ok {
		h.taken <- c.NetConn()
	}
	for {
		kind, message, err := ws.ReadMessage()
		if err != nil || ws.WriteMessage(kind, message) != nil {
			return
		}
	}
}

// expectNeighbour has the neighbour's live connection carry a message.
func (h *house) expectNeighbour() {
	h.Helper()
	_ = h.neighbour.SetReadDeadline(time.Now().Add(enough))
	err := h.neighbour.WriteMessage(websocket.TextMessage, []byte("still here"))
	_, got, readErr := h.neighbour.ReadMessage()
	require.NoError(h, err)
	require.NoError(h, readErr)
	assert.Equal(h, "still here", string(got), "the neighbour suffered: %q", got)
}

// value reads a gauge.
func value(c prometheus.Collector) func() float64 {
	return func() float64 { return testutil.ToFloat64(c) }
}

func (h *house) refused(why *closing.Refusal) float64 {
	return testutil.ToFloat64(h.metrics.Refusals.WithLabelValues(why.Label))
}

func (h *house) expectRefused(why *closing.Refusal, want float64) {
	h.Helper()
	eventually.Equal(h, why.Label+" is counted", want, func() float64 { return h.refused(why) })
}

// refusals are all that were counted, whatever the reason.
func (h *house) refusals(t *testing.T) (sum float64) {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(h.metrics.Refusals)
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, family := range families {
		for _, m := range family.Metric {
			sum += m.GetCounter().GetValue()
		}
	}
	return sum
}

func (h *house) dial() net.Conn {
	h.Helper()
	c, err := net.Dial("tcp", h.addr)
	require.NoError(h, err)
	_ = c.SetDeadline(time.Now().Add(enough))
	h.Cleanup(func() { _ = c.Close() })
	return c
}

// answer reads until the connection ends.
func answer(t *testing.T, c net.Conn) string {
	t.Helper()
	all, err := io.ReadAll(c)
	require.False(t, err != nil && len(all) == 0, "no answer: %v", err)
	return string(all)
}

func TestAHeadThatTricklesInIsCutOffInTime(t *testing.T) {
	h := open(t, nil, func(l *config.Limits) { l.HeaderTimeout.Duration = 50 * time.Millisecond })
	slow := h.dial()
	_, _ = io.WriteString(slow, "GET / HTTP/1.1\r\n")
	assert.Empty(t, answer(t, slow))
	h.expectRefused(closing.HeaderTimeout, 1)

	silent := h.dial() // a browser opens spare connections: nobody's fault
	assert.Empty(t, answer(t, silent))
	h.expectRefused(closing.HeaderTimeout, 1)

	// A second head may not take longer than a first.
	again := h.dial()
	_, _ = io.WriteString(again, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(again), nil)
	require.NoError(t, err, "%v", resp)
	require.Equal(t, http.StatusBadRequest, resp.StatusCode, "%v", resp)
	_, _ = io.Copy(io.Discard, resp.Body)
	_, _ = io.WriteString(again, "GET /b HTTP/1.1\r\n")
	_ = answer(t, again)
	h.expectRefused(closing.HeaderTimeout, 2)
}

func TestARequestThatIsAnsweredIsNoRefusal(t *testing.T) {
	h := open(t, nil)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for range 3 { // on one connection
		resp, err := client.Get("http://" + h.addr + "/desk")
		require.NoError(t, err)
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		assert.Equal(t, http.StatusBadRequest, resp.StatusCode, "answered %s", resp.Status)
	}
	for _, sent := range []string{"GET /desk HTTP/1.0\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"} {
		c := h.dial()
		_, _ = io.WriteString(c, sent)
		assert.Contains(t, answer(t, c), "not here", "%q", sent)
	}
	assert.EqualValues(t, 0, h.refusals(t), "refusals were counted")
}

func TestAnAddressCannotFillTheDoorway(t *testing.T) {
	h := open(t, nil, func(l *config.Limits) { l.PendingConnectionsPerAddress = 3 })
	var waiting []net.Conn
	for range 3 {
		waiting = append(waiting, h.dial())
	}
	eventually.Equal(h, "three wait", 3, value(h.metrics.Pending))
	got := answer(t, h.dial())
	require.True(t, strings.HasPrefix(got, "HTTP/1.1 503 "))
	assert.Contains(t, got, "try again later", "the fourth")
	h.expectRefused(closing.PendingPerAddress, 1)

	// Who asks for something makes room.
	_, _ = io.WriteString(waiting[0], "GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
	eventually.Equal(h, "one has asked", 2, value(h.metrics.Pending))
	_ = waiting[1].Close()
	eventually.Equal(h, "one has gone", 1, value(h.metrics.Pending))
	_, _ = io.WriteString(h.dial(), "GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
	eventually.Equal(h, "another has asked", 1, value(h.metrics.Pending))
	h.expectRefused(closing.PendingPerAddress, 1)
}

func TestOnlySoManyConnectionsAreKeptAndTheOthersAreServedAllTheSame(t *testing.T) {
	h := open(t, nil, func(l *config.Limits) { l.IdleConnections = 2 })
	ask := func(c net.Conn, r *bufio.Reader) {
		t.Helper()
		_, _ = io.WriteString(c, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
		resp, err := http.ReadResponse(r, nil)
		require.NoError(t, err, "%v", resp)
		require.Equal(t, http.StatusBadRequest, resp.StatusCode, "%v", resp)
		_, _ = io.Copy(io.Discard, resp.Body)
	}
	var kept []net.Conn
	var readers []*bufio.Reader
	for range 2 {
		c := h.dial()
		kept, readers = append(kept, c), append(readers, bufio.NewReader(c))
		ask(c, readers[len(readers)-1])
	}
	eventually.Equal(h, "two are kept", 2, value(h.metrics.Idle))
	third := h.dial()
	r := bufio.NewReader(third)
	ask(third, r)
	_, err := r.ReadByte()
	assert.ErrorIs(t, err, io.EOF, "the third is kept too")
	for i := range kept {
		ask(kept[i], readers[i])
	}
	_ = kept[0].Close()
	eventually.Equal(h, "one is kept", 1, value(h.metrics.Idle))
	assert.EqualValues(t, 0, h.refusals(t), "refusals were counted, and nobody was refused")
}

func TestATrustedProxyIsBoundedByTheReplicasLimitOnly(t *testing.T) {
	h := open(t, []string{"127.0.0.0/8"}, func(l *config.Limits) { l.PendingConnectionsPerAddress, l.PendingConnections = 1, 3 })
	for range 3 {
		h.dial()
	}
	eventually.Equal(h, "three wait", 3, value(h.metrics.Pending))
	got := answer(t, h.dial())
	assert.True(t, strings.HasPrefix(got, "HTTP/1.1 503 "), "the fourth got %q", got)
	h.expectRefused(closing.Pending, 1)
}

func TestAConnectionThatIsHandedOverIsTheKernelsOwn(t *testing.T) {
	h := open(t, nil)
	if c := <-h.taken; c == nil {
		t.Error("nothing")
	} else if _, ok := c.(*net.TCPConn); !ok {
		t.Errorf("NetConn is a %T, want the TCP connection", c)
	}
}

func TestAServerThatShutsDownAnswersWhatItHas(t *testing.T) {
	m := metrics.NewActivator(prometheus.NewRegistry())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	d := New(config.Default().Limits, nil, m, slog.New(slog.DiscardHandler))
	came, answerNow := make(chan struct{}), make(chan struct{})
	srv := d.Server(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(came)
		<-answerNow
		_, _ = io.WriteString(w, "done")
	}))
	go func() { _ = srv.Serve(d.Listener(l.(*net.TCPListener))) }()
	got := make(chan string, 1)
	go func() {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			got <- err.Error()
			return
		}
		defer func() { _ = c.Close() }()
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		all, _ := io.ReadAll(c)
		got <- string(all)
	}()
	<-came
	ended := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), enough)
		defer cancel()
		ended <- srv.Shutdown(ctx)
	}()
	close(answerNow)
	text := <-got
	assert.True(t, strings.HasSuffix(text, "done"), "got %q", text)
	assert.NoError(t, <-ended)
}
