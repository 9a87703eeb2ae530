package coturn

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPeersAreWrittenAsTurnserverComparesThem(t *testing.T) {
	for peer, want := range map[string]string{
		"10.0.0.0/8":        "10.0.0.0-10.255.255.255",
		"10.1.2.3/8":        "10.0.0.0-10.255.255.255",
		"192.168.1.10":      "192.168.1.10",
		"192.168.1.10/32":   "192.168.1.10",
		"10.0.0.5-10.1.2.3": "10.0.0.5-10.1.2.3",
		"0.0.0.0/0":         "0.0.0.0-255.255.255.255",
		"fc00::/7":          "fc00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		"fe80::/10":         "fe80::-febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		"::1":               "::1",
		"::":                "",
		// Every address of it but "::" has a byte above zero.
		"::/112": "::100-::ffff ::1-::ffff",
	} {
		got, err := peerRanges(peer)
		require.NoError(t, err, peer)
		assert.Equal(t, want, strings.Join(got, " "), "%s became %v", peer, got)
	}
	all, err := peerRanges("::/0")
	require.NoError(t, err)
	require.Len(t, all, 16)
	assert.Equal(t, "100::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", all[0], "::/0 became")
}

func TestWhatTurnserverWouldCompareWronglyIsRefused(t *testing.T) {
	for peer, says := range map[string]string{
		"fd00::1-fd00::5":   "IPv6 ranges must be networks",
		"10.0.0.9-10.0.0.1": "ends before it begins",
		"10.0.0.5-10.0.1":   "must be an IP address",
		"example.com":       "must be an IP address",
		"10.0.0.0/33":       "must be an IP address",
		"fe80::1%eth0":      "zone",
		"":                  "must be an IP address",
	} {
		got, err := peerRanges(peer)
		assert.ErrorContains(t, err, says, "%q became %v", peer, got)
	}
}
