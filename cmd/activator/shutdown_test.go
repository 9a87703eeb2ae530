package main

import (
	"bufio"
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/org/vdi-operator/activator/listener"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/httpserve"
	"github.com/org/vdi-operator/pkg/metrics"
)

// steps notes what it has to do and when. Package activator tests that held clients get
// 1012 and that live ones go on.
type steps chan string

func (t steps) StopHolding() { t <- "stop holding" }
func (t steps) Drain(ctx context.Context) {
	t <- "drain"
	<-ctx.Done()
	t <- "drained"
}

// admit admits within the default limits, but for those that change sets.
func admit(change ...func(*config.Limits)) func(listener.Proxies) *listener.Admission {
	limits := config.Default().Limits
	for _, c := range change {
		c(&limits)
	}
	m := metrics.NewActivator(prometheus.NewRegistry())
	return func(p listener.Proxies) *listener.Admission {
		return listener.New(limits, p, m, slog.New(slog.DiscardHandler))
	}
}

func TestHeldClientsAreToldFirstAndLiveOnesAreWaitedFor(t *testing.T) {
	s := serving{admit: admit(), alive: t.Context(), group: &errgroup.Group{}}
	public, err := s.public("127.0.0.1:0", nil, time.Minute, http.NotFoundHandler())
	require.NoError(t, err)
	grace, over := context.WithCancel(t.Context())
	done := make(steps, 3)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		shutdown(grace, 0, public, done)
	}()
	for _, want := range []string{"stop holding", "drain"} {
		require.Equal(t, want, <-done, "first")
	}
	select {
	case <-ended:
		t.Fatal("live connections were not waited for")
	default:
	}
	over()
	require.Equal(t, "drained", <-done)
	<-ended
	assert.NoError(t, s.group.Wait(), "an orderly end is reported as a failure")
}

func TestConnectionsAreGivenUpInTheAnswerBeforeThePortCloses(t *testing.T) {
	s := serving{admit: admit(), alive: t.Context(), group: &errgroup.Group{}}
	at := free(t)
	public, err := s.public(at, nil, time.Minute, http.NotFoundHandler())
	require.NoError(t, err)
	kept := func() bool {
		resp, err := http.Get("http://" + at) //nolint:noctx // it ends with the test's server
		require.NoError(t, err)
		_ = resp.Body.Close()
		return !resp.Close
	}
	assert.True(t, kept(), "a connection is kept for another request")
	grace, over := context.WithCancel(t.Context())
	done := make(steps, 3)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		shutdown(grace, time.Hour, public, done)
	}()
	eventually.True(t, "an answer that says that the connection closes", func() bool { return !kept() })
	assert.Empty(t, done, "the port still takes connections, and holding goes on")
	over()
	<-ended
	_, err = net.Dial("tcp", at)
	assert.Error(t, err, "the port is closed in the end")
}

func TestFlagsThatCannotBeNameTheirRemedy(t *testing.T) {
	for name, c := range map[string]struct {
		flags flags
		says  string
	}{
		"a delay before the signal": {flags{gracePeriod: time.Minute, shutdownDelay: -1, keepAlive: 1}, "--shutdown-delay is -1ns: give 0s"},
		"no time for a request":     {flags{gracePeriod: time.Minute}, "--keep-alive is 0s: give more than 0s"},
	} {
		t.Run(name, func(t *testing.T) {
			assert.ErrorContains(t, run(t.Context(), c.flags, slog.New(slog.DiscardHandler)), c.says)
		})
	}
	assert.Equal(t, 5*time.Second, flags{gracePeriod: 10 * time.Second, shutdownDelay: time.Minute}.delay(), "of an end of 10 s")
}

// free is an address that nobody listens at.
func free(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

func TestAServerThatCannotListenSaysWhere(t *testing.T) {
	err := serving{admit: admit()}.inCluster("127.0.0.1:99999", nil)
	assert.ErrorContains(t, err, "99999", "want an error that names the port")
}

func TestAFailedServerEndsTheProgramWithItsError(t *testing.T) {
	alive, end := context.WithCancel(t.Context())
	defer end()
	group, failed := errgroup.WithContext(alive)
	s := serving{admit: admit(), alive: alive, group: group}
	require.NoError(t, s.inCluster("127.0.0.1:0", http.NotFoundHandler()))
	closed := func(l *net.TCPListener) net.Listener {
		_ = l.Close()
		return l
	}
	if err := httpserve.Start(alive, group, "127.0.0.1:0", &http.Server{}, closed); err != nil { //nolint:gosec // it serves nobody
		t.Fatal(err)
	}
	<-failed.Done()
	end()
	err := group.Wait()
	assert.ErrorContains(t, err, "serving 127.0.0.1:", "want an error that names the address")
}

func TestThePortsInsideAreBehindTheSameDoor(t *testing.T) {
	group := &errgroup.Group{}
	alive, end := context.WithCancel(t.Context())
	s := serving{alive: alive, group: group, admit: admit(func(l *config.Limits) { l.PendingConnectionsPerAddress = 10 })}
	at := free(t)
	require.NoError(t, s.inCluster(at, http.NotFoundHandler()))
	refused := 0
	for range 30 {
		conn, err := net.Dial("tcp", at)
		require.NoError(t, err)
		defer func() { _ = conn.Close() }()
		_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if answer, _ := bufio.NewReader(conn).ReadString('\n'); strings.Contains(answer, "503") {
			refused++
		}
	}
	assert.Equal(t, 20, refused, "refused of 30 silent connections of one address")
	end()
	require.NoError(t, group.Wait())
}
