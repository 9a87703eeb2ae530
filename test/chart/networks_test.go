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

func TestAPeerMayBeAnyNetworkThatKubernetesTakes(t *testing.T) {
	for _, block := range []string{
		`{"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16", "10.2.0.1/32"]}`, `{"cidr": "::/0", "except": ["fd00::/8"]}`, `{"cidr": "::/0", "except": null}`,
		`{"cidr": "2001:db8:0:1:2:3:4:5/128"}`, `{"cidr": "64:ff9b::10.0.0.0/104", "except": ["64:ff9b::10.1.0.0/112"]}`,
		`{"cidr": "0:0:0:0:0:ffff:10.0.0.0/104"}`, `{"cidr": "::10.0.0.1/128"}`,
	} {
		text, err := template(t, "--set-json", `networkPolicy.visitors=[{"ipBlock": `+block+`}]`)
		assert.NoError(t, err, "%s: %s", block, text)
	}
}

// RFC 7065 compares scheme and transport without regard to case.
func TestATURNURLInUpperCaseIsOne(t *testing.T) {
	urls := "turn.urls={TURNS:turn.example.com?Transport=TCP,Turn:turn.example.com:3479?transport=UDP}"
	_, err := template(t, "--set", "coturn.enabled=false", "--set", urls)
	require.ErrorContains(t, err, "turn.existingSecret")
	text, err := template(t, "--set", "coturn.enabled=false", "--set", "turn.existingSecret=turn", "--set", urls)
	require.NoError(t, err, text)
	for _, port := range []string{"5349", "3479"} {
		assert.Contains(t, text, "{port: "+port+", protocol: UDP}")
	}
}
