//go:build coturn

// Package coturn tests the TURN server as clients meet it: Debian's turnserver under the
// supervisor, in a network of its own, with clients outside it. It needs root, iproute2
// and coturn.
package coturn

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// The two ends of the link between server and clients, of addresses for tests of networks
// (RFC 2544) and private ones: both are among those that are denied as peers.
var (
	serverIPv4 = netip.MustParseAddr("198.18.77.1")
	clientIPv4 = netip.MustParseAddr("198.18.77.2")
	serverIPv6 = netip.MustParseAddr("fd00:77::1")
	clientIPv6 = netip.MustParseAddr("fd00:77::2")
)

// user is the one that the chart runs the server as.
const user = "65532"

var (
	network string // the server's
	program string
	// denied are the chart's own defaults.
	denied []string
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "coturn:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	folder, err := os.MkdirTemp("", "vdi-coturn-")
	if err != nil {
		return 1, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	// The server is another user.
	if err := os.Chmod(folder, 0o755); err != nil {
		return 1, err
	}
	program = filepath.Join(folder, "coturn-supervisor")
	built, err := os.ReadFile("../../bin/coturn-supervisor")
	if err != nil {
		return 1, fmt.Errorf("%w: build it with make build", err)
	}
	if err := os.WriteFile(program, built, 0o755); err != nil {
		return 1, err
	}
	raw, err := os.ReadFile("../../charts/vdi-operator/charts/coturn/values.yaml")
	if err != nil {
		return 1, err
	}
	var values struct {
		DeniedPeers []string `json:"deniedPeers"`
	}
	if err := yaml.Unmarshal(raw, &values); err != nil {
		return 1, err
	}
	denied = values.DeniedPeers

	network = fmt.Sprintf("vdi-turn-%d", os.Getpid())
	ours, theirs := fmt.Sprintf("vdit%d", os.Getpid()), "server"
	defer func() { _ = ip("netns", "del", network) }()
	for _, step := range []string{
		"netns add " + network,
		"link add " + ours + " type veth peer name " + theirs + " netns " + network,
		"addr add " + clientIPv4.String() + "/24 dev " + ours,
		"link set " + ours + " up",
		"-n " + network + " addr add " + serverIPv4.String() + "/24 dev " + theirs,
		"-n " + network + " link set lo up",
		"-n " + network + " link set " + theirs + " up",
		"addr add " + clientIPv6.String() + "/64 dev " + ours + " nodad",
		"-n " + network + " addr add " + serverIPv6.String() + "/64 dev " + theirs + " nodad",
	} {
		if err := ip(strings.Fields(step)...); err != nil {
			return 1, err
		}
	}
	return m.Run(), nil
}

func ip(args ...string) error {
	out, err := exec.CommandContext(context.Background(), "ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}
