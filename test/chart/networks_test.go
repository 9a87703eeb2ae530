package chart

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"
)

// TestWhatIsNotTheInternetIsSaidOnce compares what desktops may not reach with what coturn
// may not relay to: two charts' values, so two lists.
func TestWhatIsNotTheInternetIsSaidOnce(t *testing.T) {
	read := func(path string, into any) {
		t.Helper()
		raw, err := os.ReadFile(filepath.Join("..", "..", "charts", "vdi-operator", path))
		require.NoError(t, err)
		require.NoError(t, yaml.Unmarshal(raw, into))
	}
	var chart struct {
		NetworkPolicy struct {
			Desktops struct {
				Egress []networkingv1.NetworkPolicyEgressRule
				Turn   []networkingv1.NetworkPolicyPeer
			}
		}
	}
	var coturn struct{ DeniedPeers []string }
	read("values.yaml", &chart)
	read(filepath.Join("charts", "coturn", "values.yaml"), &coturn)
	desktops := chart.NetworkPolicy.Desktops
	require.Len(t, desktops.Egress, 1)
	assert.Equal(t, desktops.Egress[0].To, desktops.Turn)
	var except []string
	for _, peer := range desktops.Turn {
		except = append(except, peer.IPBlock.Except...)
	}
	assert.Equal(t, coturn.DeniedPeers, except)
}
