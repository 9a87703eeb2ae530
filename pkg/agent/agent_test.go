package agent

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/org/vdi-operator/pkg/agentapi"
	"github.com/org/vdi-operator/pkg/eventually"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// activator is a real HTTP server that takes what agents say.
type activator struct {
	at peer

	mu     sync.Mutex
	heard  []agentapi.Announcement
	status int
	tokens []string
}

func newActivator(t *testing.T, status int) *activator {
	t.Helper()
	a := &activator{status: status}
	srv := httptest.NewServer(a)
	t.Cleanup(srv.Close)
	a.at = netip.MustParseAddrPort(srv.Listener.Addr().String())
	return a
}

func (a *activator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tokens = append(a.tokens, r.Header.Get("Authorization"))
	var said agentapi.Announcement
	if r.Method != http.MethodPost || r.URL.Path != agentapi.AnnouncePath || json.NewDecoder(r.Body).Decode(&said) != nil {
		http.Error(w, "not understood", http.StatusBadRequest)
		return
	}
	a.heard = append(a.heard, said)
	w.WriteHeader(a.status)
}

func (a *activator) last() (agentapi.Announcement, int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.heard) == 0 {
		return agentapi.Announcement{}, 0
	}
	return a.heard[len(a.heard)-1], len(a.heard)
}

func (a *activator) answers(status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status = status
}

// start runs an agent that finds these activators until the test ends.
func start(t *testing.T, port uint16, found func() ([]peer, error)) {
	t.Helper()
	a := New(Options{Activators: func(context.Context) ([]peer, error) { return found() },
		Pod: "ada-1", Token: "secret", DesktopPort: port, Proc: "/proc", Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}

// freePort is one that nobody listens on.
func freePort(t *testing.T) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", ":0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

func listenOn(t *testing.T, port uint16) net.Listener {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{Port: int(port)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestEveryActivatorLearnsOfThePodAtOnceAndOfItsPortWhenItListens(t *testing.T) {
	one, two := newActivator(t, 204), newActivator(t, 204)
	port := freePort(t)
	start(t, port, func() ([]peer, error) { return []peer{one.at, two.at}, nil })
	for _, a := range []*activator{one, two} {
		eventually.True(t, "the pod is announced", func() bool { _, n := a.last(); return n == 1 })
		said, _ := a.last()
		assert.NotZero(t, said.Port, "where the agent takes orders")
		said.Port = 0
		assert.Equal(t, agentapi.Announcement{Pod: "ada-1", Address: netip.MustParseAddr("127.0.0.1")}, said, "announced")
	}
	l := listenOn(t, port)
	for _, a := range []*activator{one, two} {
		eventually.True(t, "the desktop is announced", func() bool { said, n := a.last(); return n == 2 && said.Listening })
	}
	_ = l.Close()
	eventually.True(t, "its end is announced", func() bool { said, n := one.last(); return n == 3 && !said.Listening })
	one.mu.Lock()
	defer one.mu.Unlock()
	for _, got := range one.tokens {
		assert.Equal(t, "Bearer secret", got, "token")
	}
}

func TestAnActivatorThatIsAwayOrRefusesIsTriedAgainAndDelaysNoOther(t *testing.T) {
	refuses, takes := newActivator(t, 503), newActivator(t, 204)
	gone := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), freePort(t))
	start(t, freePort(t), func() ([]peer, error) { return []peer{gone, refuses.at, takes.at}, nil })
	eventually.True(t, "the one that is there has heard", func() bool { _, n := takes.last(); return n == 1 })
	eventually.True(t, "the one that refused is asked again", func() bool { _, n := refuses.last(); return n > 1 })
	refuses.answers(204)
	_, before := refuses.last()
	eventually.True(t, "it has heard", func() bool { _, n := refuses.last(); return n > before })
}

func TestAnAddressThatIsNotBelievedIsNotRepeated(t *testing.T) {
	a := newActivator(t, http.StatusConflict)
	port := freePort(t)
	start(t, port, func() ([]peer, error) { return []peer{a.at}, nil })
	eventually.True(t, "it was said once", func() bool { _, n := a.last(); return n == 1 })
	listenOn(t, port)
	eventually.True(t, "the next news is said", func() bool { said, n := a.last(); return n == 2 && said.Listening })
}

func TestActivatorsAreLookedForUntilTheyAreFound(t *testing.T) {
	a := newActivator(t, 204)
	var mu sync.Mutex
	asked := 0
	start(t, freePort(t), func() ([]peer, error) {
		mu.Lock()
		defer mu.Unlock()
		if asked++; asked < 4 {
			return nil, errors.New("DNS is not up yet")
		}
		return []peer{a.at}, nil
	})
	eventually.True(t, "it has heard", func() bool { _, n := a.last(); return n == 1 })
}

func TestAPortListensWhereOthersReachItOnly(t *testing.T) {
	kernel, err := openSockDiag()
	require.NoError(t, err)
	defer kernel.close()
	a := &Agent{Options: Options{DesktopPort: freePort(t)}}
	is, err := a.listens(kernel)
	require.False(t, is)
	assert.NoError(t, err, "nobody listens")
	for host, want := range map[string]bool{"": true, "0.0.0.0": true, "127.0.0.1": false, "::1": false} {
		l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			t.Logf("%s: %v", host, err)
			continue
		}
		a.DesktopPort = uint16(l.Addr().(*net.TCPAddr).Port)
		if is, err := a.listens(kernel); is != want || err != nil {
			t.Errorf("listening on %q is %v (%v), want %v", host, is, err, want)
		}
		_ = l.Close()
		if is, err := a.listens(kernel); is || err != nil {
			t.Errorf("closed: %v, %v", is, err)
		}
	}
}

func TestAListenerIsFoundAmongMany(t *testing.T) {
	kernel, err := openSockDiag()
	require.NoError(t, err)
	defer kernel.close()
	for range 500 {
		listenOn(t, 0)
	}
	a := &Agent{Options: Options{DesktopPort: uint16(listenOn(t, 0).Addr().(*net.TCPAddr).Port)}}
	is, err := a.listens(kernel)
	require.True(t, is)
	assert.NoError(t, err)
}

func TestWhereTheKernelTellsNothingThePortIsTried(t *testing.T) {
	a := &Agent{Options: Options{DesktopPort: freePort(t)}}
	assert.False(t, a.accepts(), "nobody listens, and it accepts")
	listenOn(t, a.DesktopPort)
	assert.True(t, a.accepts(), "it does not accept")
}

func TestDisplaysAreFoundByTheirAbstractSockets(t *testing.T) {
	proc := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(proc, "net"), 0o755))
	table := `Num       RefCount Protocol Flags    Type St Inode Path
0: 00000002 00000000 00010000 0001 01 1 @/tmp/.X11-unix/X0
0: 00000003 00000000 00000000 0001 03 2 @/tmp/.X11-unix/X0
0: 00000002 00000000 00010000 0001 01 3 /tmp/.X11-unix/X1
0: 00000002 00000000 00010000 0001 01 4 @/tmp/.X11-unix/X99
0: 00000002 00000000 00010000 0001 01 5 @/tmp/.X11-unix/X0/../../evil
0: 00000002 00000000 00010000 0001 01 6
`
	require.NoError(t, os.WriteFile(filepath.Join(proc, "net", "unix"), []byte(table), 0o644))
	assert.Equal(t, "@/tmp/.X11-unix/X0 @/tmp/.X11-unix/X99", strings.Join(sockets(proc), " "), "found")
}

func TestAServiceThatIsNoHostAndPortIsNamed(t *testing.T) {
	for _, bad := range []string{"", "activators", "activators:http"} {
		_, err := ByService(bad)(t.Context())
		assert.ErrorContains(t, err, `"`+bad+`"`, "%q", bad)
	}
}
