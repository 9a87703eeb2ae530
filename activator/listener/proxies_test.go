package listener

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWhoTheClientIsCannotBeSaidByTheClient(t *testing.T) {
	proxies, err := ParseProxies([]string{"10.0.0.0/8", "fd00::/8"})
	require.NoError(t, err)
	for name, tc := range map[string]struct {
		peer      string
		forwarded []string
		want      string // empty: nobody trustworthy says
	}{
		"straight from the internet":            {"203.0.113.7:1", nil, "203.0.113.7"},
		"a stranger who forges the header":      {"203.0.113.7:1", []string{"198.51.100.1"}, "203.0.113.7"},
		"through a proxy":                       {"10.0.0.1:1", []string{"203.0.113.7"}, "203.0.113.7"},
		"through two":                           {"10.0.0.1:1", []string{"203.0.113.7, 10.0.0.2"}, "203.0.113.7"},
		"a forged address before a proxy's":     {"10.0.0.1:1", []string{"198.51.100.1, 203.0.113.7"}, "203.0.113.7"},
		"a forged proxy before a proxy's":       {"10.0.0.1:1", []string{"198.51.100.1, 10.0.0.9, 203.0.113.7, 10.0.0.2"}, "203.0.113.7"},
		"a forged header of its own":            {"10.0.0.1:1", []string{"198.51.100.1", "203.0.113.7"}, "203.0.113.7"},
		"rubbish left of the truth":             {"10.0.0.1:1", []string{"<script>, 203.0.113.7"}, "203.0.113.7"},
		"rubbish that a proxy passes on":        {"10.0.0.1:1", []string{"203.0.113.7, unknown"}, ""},
		"a proxy without the header":            {"10.0.0.1:1", nil, ""},
		"an empty header":                       {"10.0.0.1:1", []string{""}, ""},
		"only proxies":                          {"10.0.0.1:1", []string{"10.0.0.3, 10.0.0.2"}, ""},
		"a port behind the address":             {"10.0.0.1:1", []string{"203.0.113.7:4711"}, "203.0.113.7"},
		"IPv6":                                  {"[fd00::1]:1", []string{"2001:db8::1"}, "2001:db8::1"},
		"IPv6 with brackets and port":           {"[fd00::1]:1", []string{"[2001:db8::1]:4711"}, "2001:db8::1"},
		"IPv6 with brackets":                    {"[fd00::1]:1", []string{"[2001:db8::1]"}, "2001:db8::1"},
		"IPv4 within IPv6":                      {"[::ffff:10.0.0.1]:1", []string{"::ffff:203.0.113.7"}, "203.0.113.7"},
		"a zone, which would make keys at will": {"10.0.0.1:1", []string{"fe80::1%zone"}, "fe80::1"},
		"a peer that is no address":             {"@", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = tc.peer
			r.Header["X-Forwarded-For"] = tc.forwarded
			got, ok := proxies.Client(r)
			require.Equal(t, tc.want != "", ok)
			assert.False(t, ok && got.String() != tc.want, "client %v, want %q", got, tc.want)
		})
	}
}

func TestAClientIsAnAddressOrTheNetworkThatASubscriberHas(t *testing.T) {
	for from, want := range map[string]string{
		"203.0.113.7":        "203.0.113.7/32",
		"2001:db8:1:2::3":    "2001:db8:1:2::/64",
		"2001:db8:1:2:9::9":  "2001:db8:1:2::/64",
		"2001:db8:1:3::1":    "2001:db8:1:3::/64",
		"::ffff:203.0.113.7": "203.0.113.7/32",
	} {
		assert.Equal(t, want, Network(netip.MustParseAddr(from).Unmap()).String(), "%s counts as", from)
	}
}

func TestANetworkThatIsNoneIsRefused(t *testing.T) {
	_, err := ParseProxies([]string{"10.0.0.1"})
	assert.Error(t, err, "an address without a length was taken")
}

func FuzzAForwardedHeaderNamesOneWhoIsNoProxy(f *testing.F) {
	for _, seed := range []string{"", "203.0.113.7", "203.0.113.7, 10.0.0.2", "10.0.0.3,10.0.0.2", "[2001:db8::1]:4711", "fe80::1%zone", ",,,", "unknown", "203.0.113.7:99999"} {
		f.Add(seed)
	}
	proxies, err := ParseProxies([]string{"10.0.0.0/8"})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, forwarded string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["X-Forwarded-For"] = []string{forwarded}
		r.RemoteAddr = "10.0.0.1:1"
		client, ok := proxies.Client(r)
		assert.NotEqual(t, proxies.Trusted(client), ok, "%q: client %v", forwarded, client)
		assert.False(t, ok && (!Network(client).IsValid() || client.Zone() != ""),
			"%q: client %v has no network of its own", forwarded, client)
		r.RemoteAddr = "203.0.113.9:1"
		if client, ok := proxies.Client(r); !ok || client.String() != "203.0.113.9" {
			t.Errorf("%q: a stranger came out as %v (%v)", forwarded, client, ok)
		}
	})
}
