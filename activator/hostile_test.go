package activator_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/gatewaytest"
	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/token"
	"github.com/org/vdi-operator/pkg/token/tokentest"
)

// kubectl delete sets deletionTimestamp; the finalizer goes only when the last pod is gone, and only then DropSession is called.
func TestADeletedSessionEndsAtOnceAlthoughItsFinalizerStays(t *testing.T) {
	for what, ends := range map[string]func(*v1alpha1.VDISession){
		"deleted":                          func(s *v1alpha1.VDISession) { now := metav1.Now(); s.DeletionTimestamp = &now },
		"deleted and made anew (a relist)": func(s *v1alpha1.VDISession) { s.UID = "2" },
	} {
		t.Run(what, func(t *testing.T) {
			g := newGateway(t)
			g.Wakes(newDesktop(t))
			ws := g.dial("/websockify", g.As(noBrowser))
			say(t, ws, "a")
			expectEcho(t, ws, "a")
			g.Change(ends)
			expectClosed(t, ws, 4404, "")
		})
		t.Run(what+", plain", func(t *testing.T) {
			g := newGateway(t)
			g.Wakes(stuck(t, false))
			code := make(chan int, 1)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.Front.URL+"/file", nil)
			require.NoError(t, err)
			req.Host, req.Header = host, g.As(noBrowser)
			go func() {
				if resp, err := http.DefaultClient.Do(req); err == nil {
					_ = resp.Body.Close()
					code <- resp.StatusCode
				}
			}()
			time.Sleep(200 * time.Millisecond)
			g.Change(ends)
			select {
			case c := <-code:
				require.Equal(t, http.StatusServiceUnavailable, c)
			case <-time.After(3 * time.Second):
				t.Fatal("the request goes on")
			}
		})
	}
}

// A desktop (or one that hangs) reads nothing; the client uploads and leaves. net/http watches for a client that left only once
// the body is read to its end, ResponseHeaderTimeout runs only once it is written: nothing ends this but the pod.
func TestAnUploadThatNobodyReadsGivesItsPlaceBackWhenItsClientLeft(t *testing.T) {
	for _, answer := range []string{"", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nso far"} {
		g := newGateway(t, func(c *config.Config) { c.Limits.HoldHTTP.Duration = time.Second })
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte(answer))
			<-t.Context().Done()
			_ = c.Close()
		}()
		g.Wakes(&httptest.Server{Listener: l})
		c, err := net.Dial("tcp", g.Front.Listener.Addr().String())
		require.NoError(t, err)
		_, _ = fmt.Fprintf(c, "POST /up HTTP/1.1\r\nHost: %s\r\nContent-Length: 100000000\r\nCookie: %s\r\n\r\n",
			host, g.As(noBrowser).Get("Cookie"))
		_ = c.SetWriteDeadline(time.Now().Add(time.Second))
		for err = nil; err == nil; {
			_, err = c.Write(make([]byte, 1<<20))
		}
		_ = c.Close()
		eventually.Equal(t, "places are given back", 0, value(g.Metrics.LiveRequests))
	}
}

func TestThatSomethingWatchesIsWrittenOnceHoweverManySayItAtOnce(t *testing.T) {
	g := newGateway(t)
	g.Wakes(newDesktop(t))
	g.Latency = 300 * time.Millisecond
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			g.do(http.MethodPost, page.ActivityPath+"?"+page.WatchesQuery+"=1", with(g.As(fetching), "Origin", "http://"+host))
		})
	}
	wg.Wait()
	assert.Equal(t, 1, g.watched(), "writes")
}

// Any web page that somebody in the office opens: <img src="https://alice--desktops.…/?vdi_token=x"> 400 times, then 20 a second.
func TestAnotherSitesPageLocksNobodyOut(t *testing.T) {
	for _, at := range []string{"/x.png", "/x.png?vdi_token=x"} {
		g := newGateway(t, func(c *config.Config) {
			c.TrustedProxies = nil
			c.Limits.RefusalsPerAddress = config.Rate{PerSecond: 0.001, Burst: 3}
		})
		image := http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"no-cors"}, "Sec-Fetch-Dest": {"image"}}
		for range 5 {
			g.do(http.MethodGet, at, image)
		}
		got := g.do(http.MethodGet, "/?vdi_token="+g.sign(g.Owned), navigating)
		assert.Equal(t, http.StatusSeeOther, got.code, "a good link after %s", at)
	}
	g := newGateway(t, func(c *config.Config) { // nor who shows no token at all, which costs no cryptography
		c.TrustedProxies = nil
		c.Limits.RefusalsPerAddress = config.Rate{PerSecond: 0.001, Burst: 3}
	})
	for range 5 {
		g.do(http.MethodGet, "/", noBrowser)
	}
	got := g.do(http.MethodGet, "/?vdi_token="+g.sign(g.Owned), navigating)
	assert.Equal(t, http.StatusSeeOther, got.code, "a good link after visits without any token")
}

func TestWhoIsSentToSignInMayNotGuessWithoutEnd(t *testing.T) {
	g := newGateway(t, gatewaytest.WithPortal, func(c *config.Config) {
		c.TrustedProxies = nil
		c.Limits.RefusalsPerAddress = config.Rate{PerSecond: 0.001, Burst: 3}
	})
	other := tokentest.Signer(t)
	for i, want := range []int{303, 303, 303, 429} {
		guess, err := other.Sign(token.AudienceSession, token.For(g.Owned), time.Now().Add(time.Duration(i)*time.Second), time.Hour)
		require.NoError(t, err)
		assert.Equal(t, want, g.do(http.MethodGet, "/", with(navigating, "Cookie", "vdi-session="+guess)).code, "guess %d", i)
	}
}

func TestWhatAllThatIsHeldHasSentIsBoundedTogether(t *testing.T) {
	g := newGateway(t, func(c *config.Config) {
		c.Limits.HeldBytesPerSession, c.Limits.BufferedBytes, c.Limits.MessageBytes = 1<<20, 1<<20, 1<<20
	})
	long := strings.Repeat("a", 600<<10)
	first, second := g.dial("/desk", g.As(fromPage)), g.dial("/desk", g.As(fromPage))
	say(t, first, long)
	eventually.True(t, "its bytes are kept", func() bool { return value(g.Metrics.HeldBytes)() > 590<<10 })
	say(t, second, long)
	expectClosed(t, second, 1013, "more than 1048576 bytes")
	g.ExpectRefusals(closing.HeldBytesPerSession, 1)
	third := g.dial("/desk", g.As(fromPage))
	say(t, third, "small")
	g.Wakes(newDesktop(t))
	expectEcho(t, third, "small")
	expectEcho(t, first, long)
	eventually.Equal(t, "all is given back", 0, value(g.Metrics.HeldBytes))
}

func TestTheRequestsOfWhoIsHeldAreBoundedWithWhatTheySend(t *testing.T) {
	g := newGateway(t, func(c *config.Config) { c.Limits.HeldBytes, c.Limits.HeldBytesPerSession = 256<<10, 192<<10 })
	header := g.As(fromPage)
	long := header.Clone()
	long.Set("X-Long", strings.Repeat("a", 30<<10))
	long.Set("Sec-WebSocket-Protocol", strings.Repeat("a, ", 8<<10)+"b")
	for range 2 { // the list of subprotocols is kept twice
		g.dial("/"+strings.Repeat("p", 1<<10), long)
	}
	eventually.True(t, "their requests are kept", func() bool { return value(g.Metrics.HeldBytes)() > 150<<10 })
	kept, held := value(g.Metrics.HeldBytes)(), value(g.Metrics.Held)()
	expectClosed(t, g.dial("/desk", long), 1013, "more than 196608 bytes")
	g.ExpectRefusals(closing.HeldBytesPerSession, 1)
	assert.InDelta(t, kept, value(g.Metrics.HeldBytes)(), 0, "the refused one keeps something")
	assert.InDelta(t, held, value(g.Metrics.Held)(), 0, "the refused one has a place")
	short := g.dial("/desk", header)
	say(t, short, "first words are free")
	g.Wakes(newDesktop(t))
	expectEcho(t, short, "first words are free")
}
