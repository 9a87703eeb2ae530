package coturn

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// oneNode is an API server with one Node.
func oneNode(n node) nodeReader {
	return func(context.Context, string) (node, error) { return n, nil }
}

func TestTheNodeSaysItsPublicAddress(t *testing.T) {
	var n node
	raw := `{"metadata":{"annotations":{"vdi.kasm.io/external-address":"203.0.113.7","broken":"turn.example.com"}},
		"status":{"addresses":[{"type":"InternalIP","address":"10.0.0.5"},{"type":"Hostname","address":"n1"},
		{"type":"ExternalIP","address":"2001:db8::7"},{"type":"ExternalIP","address":"203.0.113.8"}]}}`
	require.NoError(t, json.Unmarshal([]byte(raw), &n))
	here := netip.MustParseAddr("10.0.0.5")
	for _, tc := range []struct {
		e          External
		want, says string
	}{
		{External{Mode: ExternalNodeAnnotation, Annotation: "vdi.kasm.io/external-address"}, "203.0.113.7", ""},
		{External{Mode: ExternalNodeAnnotation, Annotation: "broken"}, "", "kubectl annotate node n1 broken="},
		{External{Mode: ExternalNodeAnnotation, Annotation: "missing"}, "", "kubectl annotate node n1 missing="},
		{External{Mode: ExternalNodeAddress}, "203.0.113.8", ""},
	} {
		got, err := tc.e.find(context.Background(), here, "n1", oneNode(n))
		if tc.says != "" {
			assert.ErrorContains(t, err, tc.says, "%+v", tc.e)
		} else if err != nil || got.String() != tc.want {
			t.Errorf("%+v: %v %v, want %s", tc.e, got, err, tc.want)
		}
	}
	n.Status.Addresses = n.Status.Addresses[:3]
	_, err := (External{Mode: ExternalNodeAddress}).find(context.Background(), here, "n1", oneNode(n))
	assert.ErrorContains(t, err, "no ExternalIP", "an address of the other family was taken")
}

func TestRelayPortsAreCountedByTheKernelsWord(t *testing.T) {
	proc := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(proc, "net"), 0o755))
	// Ports 49160, 49161, 49161 again, 53 and 49180.
	udp := "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n"
	for i, local := range []string{"014DC6C6:C008", "014DC6C6:C009", "0100007F:C009", "00000000:0035", "00000000:C01C"} {
		udp += fmt.Sprintf(" %4d: %s 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 %d 2 0000000000000000 0\n", i, local, 1000+i)
	}
	require.NoError(t, os.WriteFile(filepath.Join(proc, "net", "udp"), []byte(udp), 0o644))
	n, err := portsUsed(proc, PortRange{49160, 49179})
	require.NoError(t, err)
	assert.Equal(t, 2, n, "ports, want 2")
}
