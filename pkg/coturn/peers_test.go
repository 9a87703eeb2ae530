package coturn

import (
	"strings"
	"testing"
)

func TestPeersAreWrittenAsTurnserverComparesThem(t *testing.T) {
	for peer, want := range map[string]string{
		"10.0.0.0/8":        "10.0.0.0-10.255.255.255",
		"192.168.1.10":      "192.168.1.10",
		"192.168.1.10/32":   "192.168.1.10",
		"10.0.0.5-10.0.1":   "",
		"10.0.0.5-10.1.2.3": "10.0.0.5-10.1.2.3",
		"0.0.0.0/0":         "0.0.0.0-255.255.255.255",
		"fc00::/7":          "fc00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		"fe80::/10":         "fe80::-febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		"::1":               "::1",
		// Every address of it but "::" has a byte above zero.
		"::/112": "::100-::ffff ::1-::ffff",
	} {
		got, err := peerRanges(peer)
		if want == "" {
			if err == nil {
				t.Errorf("%s became %v", peer, got)
			}
			continue
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s became %v (%v), want %s", peer, got, err, want)
		}
	}
	if all, err := peerRanges("::/0"); err != nil || len(all) != 16 || all[0] != "100::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" {
		t.Errorf("::/0 became %v (%v)", all, err)
	}
}

func TestWhatTurnserverWouldCompareWronglyIsRefused(t *testing.T) {
	for peer, says := range map[string]string{
		"10.1.2.3/8":        "the network is 10.0.0.0/8",
		"fd00::1-fd00::5":   "IPv6 ranges must be networks",
		"10.0.0.9-10.0.0.1": "ends before it begins",
		"example.com":       "must be an IP address",
		"10.0.0.0/33":       "must be an IP address",
		"::":                "refused by turnserver anyway",
		"fe80::1%eth0":      "zone",
		"":                  "must be an IP address",
	} {
		if got, err := peerRanges(peer); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q became %v, %v; want an error with %q", peer, got, err, says)
		}
	}
}
