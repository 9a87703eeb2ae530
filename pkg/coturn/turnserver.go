package coturn

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
)

const (
	// nonceSeconds is how long a nonce is valid.
	nonceSeconds = 600
	// allocateSeconds is how long a connection may stay without an allocation: its
	// client has to answer one challenge in that time.
	allocateSeconds = 30
)

// Files of a run, in a folder in memory.
type files struct{ folder string }

func (f files) conf() string        { return filepath.Join(f.folder, "turnserver.conf") }
func (f files) database() string    { return filepath.Join(f.folder, "turndb") }
func (f files) pid() string         { return filepath.Join(f.folder, "turnserver.pid") }
func (f files) certificate() string { return filepath.Join(f.folder, "tls.crt") }
func (f files) key() string         { return filepath.Join(f.folder, "tls.key") }

// turnserverConf is turnserver.conf for a server that listens and relays at address.
// external is the zero Addr where clients reach it there. The shared secret is not in
// it, but in the user database, where it can change while turnserver runs.
func turnserverConf(c Config, address, external netip.Addr, f files) (string, error) {
	var b strings.Builder
	line := func(key string, value any) { fmt.Fprintf(&b, "%s=%v\n", key, value) }
	flag := func(keys ...string) {
		for _, key := range keys {
			b.WriteString(key + "\n")
		}
	}
	peers := func(kind string, all []string) error {
		for _, p := range all {
			ranges, err := peerRanges(p)
			if err != nil {
				return fmt.Errorf("%sPeers: %s %w", kind, p, err)
			}
			for _, r := range ranges {
				line(kind+"-peer-ip", r)
			}
		}
		return nil
	}

	// One address: by default turnserver listens on all, also on those of bridges and tunnels.
	line("listening-ip", address)
	line("relay-ip", address)
	if external.IsValid() && external != address {
		line("external-ip", external.String()+"/"+address.String())
	}
	if address.Is6() {
		// Clients don't say which family they want, which would mean IPv4.
		line("allocation-default-address-family", "keep")
	}
	line("listening-port", c.Port)
	line("min-port", c.Relay.MinPort)
	line("max-port", c.Relay.MaxPort)

	// Time-limited credentials only, which the activator mints.
	flag("use-auth-secret")
	line("realm", c.Realm)
	line("userdb", f.database())
	line("stale-nonce", nonceSeconds)
	line("max-allocate-timeout", allocateSeconds)
	line("user-quota", c.Quota.PerUser)
	line("total-quota", c.Quota.Total)
	if c.Quota.BytesPerSecond > 0 {
		line("max-bps", c.Quota.BytesPerSecond)
	}

	// WebRTC relays UDP only; relaying TCP would open the network's services to users.
	flag("no-tcp-relay", "no-multicast-peers")
	if err := peers("denied", c.DeniedPeers); err != nil {
		return "", err
	}
	// turnserver checks what is allowed first. Browser and desktop both have allocations
	// here, and meet at the server's own address.
	line("allowed-peer-ip", address)
	if err := peers("allowed", c.AllowedPeers); err != nil {
		return "", err
	}

	if c.TLSPort != 0 {
		line("tls-listening-port", c.TLSPort)
		line("cert", f.certificate())
		line("pkey", f.key())
		flag("no-tlsv1", "no-tlsv1_1")
	} else {
		flag("no-tls")
	}
	// No browser speaks TURN over DTLS.
	flag("no-dtls")

	flag("fingerprint", "no-cli", "no-software-attribute")
	// Smaller answers make the server less useful to amplify attacks.
	flag("no-rfc5780", "no-stun-backward-compatibility", "response-origin-only-with-rfc5780")
	// The database holds the secret and nothing else.
	flag("no-dynamic-ip-list", "no-dynamic-realms", "no-auth-pings")

	// The log is what the metrics are made of.
	flag("verbose", "simple-log", "no-stdout-log")
	line("log-file", "stdout")
	line("pidfile", f.pid())
	return b.String(), nil
}
