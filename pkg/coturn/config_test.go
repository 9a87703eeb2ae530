package coturn

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const least = "port: 3478\nrealm: vdi\nrelay: {minPort: 49160, maxPort: 49179}\n"

func TestAWrongConfigurationNamesTheFieldAndTheRemedy(t *testing.T) {
	for name, tc := range map[string]struct{ yaml, field, says string }{
		"a low port":                {strings.Replace(least, "3478", "443", 1), "port", "may not open lower ports"},
		"no realm":                  {strings.Replace(least, "realm: vdi", "realm: ''", 1), "realm", "letters"},
		"a realm with a line":       {strings.Replace(least, "realm: vdi", `realm: "a\nno-auth"`, 1), "realm", "letters"},
		"too few ports":             {strings.Replace(least, "49179", "49170", 1), "relay.maxPort", "at least 20"},
		"ports the wrong way":       {strings.Replace(least, "49179", "49100", 1), "relay.maxPort", "leaves 0"},
		"TLS at the same port":      {least + "tlsPort: 3478", "tlsPort", "neither port"},
		"a peer's name":             {least + "deniedPeers: [10.0.0.0/8, intranet]", "deniedPeers[1]", "10.0.0.0/8"},
		"a negative quota":          {least + "quota: {perUser: -1}", "quota.perUser", "0"},
		"a quota of all ports":      {least + "quota: {perUser: 3}", "quota.perUser", "at most 2"},
		"an unknown mode":           {least + "external: {mode: Guess}", "external.mode", "NodeExternalIP"},
		"no address":                {least + "external: {mode: Fixed}", "external.address", "IP address"},
		"no STUN server's port":     {least + "external: {mode: STUN, stunServer: stun.example.com}", "external.stunServer", "host:port"},
		"no annotation":             {least + "external: {mode: NodeAnnotation}", "external.annotation", "annotation"},
		"a field that is not there": {least + "static-auth-secret: x", "static-auth-secret", "unknown field"},
	} {
		_, err := ParseConfig([]byte(tc.yaml))
		require.Error(t, err, name)
		require.Contains(t, err.Error(), tc.field, name)
		assert.Contains(t, err.Error(), tc.says, "%s: %v", name, err)
	}
	_, err := ParseConfig([]byte(least))
	assert.NoError(t, err)
}

func TestTurnserversConfigurationIsClosedByDefault(t *testing.T) {
	c, err := ParseConfig([]byte(least + "deniedPeers: [10.0.0.0/8]\nallowedPeers: [10.244.0.0/16]\n"))
	require.NoError(t, err)
	here := netip.MustParseAddr("192.0.2.1")
	conf, err := turnserverConf(c, here, netip.Addr{}, files{"/run/coturn"})
	require.NoError(t, err)
	for _, line := range []string{"use-auth-secret", "no-cli", "no-tcp-relay", "no-multicast-peers", "no-tls", "no-dtls",
		"stale-nonce=600", "listening-ip=192.0.2.1", "relay-ip=192.0.2.1",
		"denied-peer-ip=10.0.0.0-10.255.255.255", "allowed-peer-ip=192.0.2.1",
		"allowed-peer-ip=10.244.0.0-10.244.255.255", "userdb=/run/coturn/turndb"} {
		assert.Contains(t, "\n"+conf, "\n"+line+"\n", "no line %q in\n%s", line, conf)
	}
	for _, text := range []string{"external-ip", "static-auth-secret", "max-bps", "default-address-family", "cert="} {
		assert.NotContains(t, conf, text, "in")
	}
	c.TLSPort, c.Quota.BytesPerSecond = 5349, 1000
	conf, _ = turnserverConf(c, netip.MustParseAddr("fd00::1"), netip.MustParseAddr("2a00::1"), files{"/run/coturn"})
	for _, line := range []string{"external-ip=2a00::1/fd00::1", "tls-listening-port=5349",
		"cert=/run/coturn/tls.crt", "pkey=/run/coturn/tls.key", "no-tlsv1_1", "max-bps=1000", "allocation-default-address-family=keep"} {
		assert.Contains(t, "\n"+conf, "\n"+line+"\n", "no line %q in\n%s", line, conf)
	}
}
