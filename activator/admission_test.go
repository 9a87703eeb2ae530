package activator

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/pkg/config"
)

// upgrade asks for a WebSocket and returns the answer where it is refused.
func (g *gateway) upgrade(at string, h http.Header) *http.Response {
	g.t.Helper()
	h = with(h, "Host", host)
	ws, resp, err := websocket.DefaultDialer.DialContext(g.t.Context(), "ws"+strings.TrimPrefix(g.front.URL, "http")+at, h)
	if err == nil {
		g.t.Cleanup(func() { _ = ws.Close() })
		return nil
	}
	if resp == nil {
		g.t.Fatal(err)
	}
	return resp
}

func (g *gateway) expectTooMany(resp *http.Response) {
	g.t.Helper()
	if resp == nil || resp.StatusCode != http.StatusTooManyRequests {
		g.t.Fatalf("answered %v, want 429", resp)
	}
	if after, err := strconv.Atoi(resp.Header.Get("Retry-After")); err != nil || after < 1 {
		g.t.Errorf("Retry-After is %q, want seconds", resp.Header.Get("Retry-After"))
	}
}

func TestAClientThatOpensSocketsWithoutEndIsToldToWait(t *testing.T) {
	slow := config.Rate{PerSecond: 0.01, Burst: 2}
	t.Run("a user", func(t *testing.T) {
		g := newGateway(t, func(c *config.Config) { c.Limits.UpgradesPerUser = slow })
		for range slow.Burst {
			if resp := g.upgrade("/desk", g.as(fromPage)); resp != nil {
				t.Fatalf("refused within the burst: %s", resp.Status)
			}
		}
		g.expectTooMany(g.upgrade("/desk", g.as(fromPage)))
		g.expectRefusals(closing.UserRate, 1)
		if got := g.do(http.MethodGet, "/", g.as(navigating)); got.code != http.StatusAccepted {
			t.Errorf("the same user's page got %d", got.code)
		}
		// A stranger's attempts must not use up what a user has.
		g2 := newGateway(t, func(c *config.Config) { c.Limits.UpgradesPerUser = slow })
		for range 2 * slow.Burst {
			if resp := g2.upgrade("/desk", fromPage); resp == nil || resp.StatusCode != http.StatusUnauthorized {
				t.Fatalf("without a token: %v", resp)
			}
		}
		if resp := g2.upgrade("/desk", g2.as(fromPage)); resp != nil {
			t.Errorf("strangers used up a user's rate: %s", resp.Status)
		}
	})
	t.Run("an address", func(t *testing.T) {
		g := newGateway(t, func(c *config.Config) { c.Limits.UpgradesPerAddress = slow })
		from := func(address string) http.Header { return with(fromPage, "X-Forwarded-For", address) }
		for range slow.Burst {
			if resp := g.upgrade("/desk", from("203.0.113.7")); resp.StatusCode != http.StatusUnauthorized {
				t.Fatalf("within the burst: %s", resp.Status)
			}
		}
		g.expectTooMany(g.upgrade("/desk", from("203.0.113.7")))
		g.expectTooMany(g.upgrade("/desk", from("198.51.100.9, 203.0.113.7"))) // what it says of itself does not help
		g.expectRefusals(closing.AddressRate, 2)
		if resp := g.upgrade("/desk", with(g.as(fromPage), "X-Forwarded-For", "203.0.113.8")); resp != nil {
			t.Errorf("another address is refused: %s", resp.Status)
		}
		if resp := g.upgrade("/desk", g.as(fromPage)); resp != nil {
			t.Errorf("who comes by a proxy that names nobody is refused: %s", resp.Status)
		}
		if got := g.do(http.MethodGet, "/", with(g.as(navigating), "X-Forwarded-For", "203.0.113.7")); got.code != http.StatusAccepted {
			t.Errorf("a page from that address got %d", got.code)
		}
	})
}
