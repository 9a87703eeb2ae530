package activator_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
)

// upgrade asks for a WebSocket and returns the answer where it is refused.
func (g *gateway) upgrade(at string, h http.Header) *http.Response {
	g.T.Helper()
	h = with(h, "Host", host)
	ws, resp, err := websocket.DefaultDialer.DialContext(g.T.Context(), "ws"+strings.TrimPrefix(g.Front.URL, "http")+at, h)
	if err == nil {
		g.T.Cleanup(func() { _ = ws.Close() })
		return nil
	}
	require.NotNil(g.T, resp, "%v", err)
	return resp
}

func (g *gateway) expectTooMany(resp *http.Response) {
	g.T.Helper()
	require.NotNil(g.T, resp)
	require.Equal(g.T, http.StatusTooManyRequests, resp.StatusCode, "answered %v, want 429", resp)
	after, err := strconv.Atoi(resp.Header.Get("Retry-After"))
	require.NoError(g.T, err)
	assert.GreaterOrEqual(g.T, after, 1, "Retry-After is %q, want seconds", resp.Header.Get("Retry-After"))
}

func TestAClientThatOpensSocketsWithoutEndIsToldToWait(t *testing.T) {
	slow := config.Rate{PerSecond: 0.01, Burst: 2}
	t.Run("a user", func(t *testing.T) {
		g := newGateway(t, func(c *config.Config) { c.Limits.UpgradesPerUser = slow })
		for range slow.Burst {
			resp := g.upgrade("/desk", g.As(fromPage))
			require.Nil(t, resp, "refused within the burst")
		}
		g.expectTooMany(g.upgrade("/desk", g.As(fromPage)))
		g.ExpectRefusals(closing.UserRate, 1)
		assert.Equal(t, http.StatusAccepted, g.do(http.MethodGet, "/", g.As(navigating)).code, "the same user's page")
		// A stranger's attempts must not use up what a user has.
		g2 := newGateway(t, func(c *config.Config) { c.Limits.UpgradesPerUser = slow })
		for range 2 * slow.Burst {
			resp := g2.upgrade("/desk", fromPage)
			require.NotNil(t, resp)
			require.Equal(t, http.StatusUnauthorized, resp.StatusCode, "without a token: %v", resp)
		}
		resp := g2.upgrade("/desk", g2.As(fromPage))
		assert.Nil(t, resp, "strangers used up a user's rate")
	})
	t.Run("a guest", func(t *testing.T) {
		g := newGateway(t, func(c *config.Config) { c.Limits.UpgradesPerUser = slow })
		_, grant := g.shares(v1alpha1.ShareController, 0)
		guests := g.visiting(fromPage, "share/guest", grant)
		for range slow.Burst {
			require.Nil(t, g.upgrade("/desk", guests))
		}
		g.expectTooMany(g.upgrade("/desk", guests))
		assert.Nil(t, g.upgrade("/desk", g.As(fromPage)), "the owner pays for the guest")
	})
	t.Run("an address", func(t *testing.T) {
		g := newGateway(t, func(c *config.Config) { c.Limits.UpgradesPerAddress = slow })
		from := func(address string) http.Header { return with(fromPage, "X-Forwarded-For", address) }
		for range slow.Burst {
			resp := g.upgrade("/desk", from("203.0.113.7"))
			require.Equal(t, http.StatusUnauthorized, resp.StatusCode, "within the burst: %s", resp.Status)
		}
		g.expectTooMany(g.upgrade("/desk", from("203.0.113.7")))
		g.expectTooMany(g.upgrade("/desk", from("198.51.100.9, 203.0.113.7"))) // what it says of itself does not help
		g.ExpectRefusals(closing.AddressRate, 2)
		resp := g.upgrade("/desk", with(g.As(fromPage), "X-Forwarded-For", "203.0.113.8"))
		assert.Nil(t, resp, "another address is refused")
		resp = g.upgrade("/desk", g.As(fromPage))
		assert.Nil(t, resp, "who comes by a proxy that names nobody is refused")
		assert.Equal(t, http.StatusAccepted, g.do(http.MethodGet, "/", with(g.As(navigating), "X-Forwarded-For", "203.0.113.7")).code,
			"a page from that address")
	})
}
