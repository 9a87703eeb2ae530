package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// longestCredential bounds TURN.CredentialTTL: a credential cannot be taken back.
const longestCredential = 30 * 24 * time.Hour

// TURN is what browsers and desktops get to know of the TURN server.
type TURN struct {
	// URLs are stun:, turn: and turns: URLs. Where it is empty they are made from
	// the nodes that Discovery finds; with neither there is no TURN.
	URLs []string `json:"urls"`
	// Discovery finds coturn's pods.
	Discovery *TURNDiscovery `json:"discovery,omitempty"`
	// CredentialTTL is how long a minted credential works.
	CredentialTTL metav1.Duration `json:"credentialTTL"`
	// ICEPolicy is all or relay.
	ICEPolicy string `json:"icePolicy"`
}

// TURNDiscovery selects coturn's pods; each ready one is announced at its public address,
// by UDP and TCP at Port. That is Address; or what its supervisor says, if AddressPort is
// given; or its node's.
type TURNDiscovery struct {
	Namespace string            `json:"namespace"`
	Selector  map[string]string `json:"selector"`
	Port      int               `json:"port"`
	Address   string            `json:"address,omitempty"`
	// AddressPort is the port of the supervisors' metrics.
	AddressPort int `json:"addressPort,omitempty"`
	// TLS is announced besides, where it is given.
	TLS *TURNSecurely `json:"tls,omitempty"`
}

// TURNSecurely is TURN by TLS, at a name that is in the server's certificate.
type TURNSecurely struct {
	Host string `json:"host"`
	Port int    `json:"port"`
}

func (t TURN) validate() (errs field.ErrorList) {
	path := field.NewPath("turn")
	if d := t.CredentialTTL.Duration; d <= 0 || d > longestCredential {
		errs = append(errs, field.Invalid(path.Child("credentialTTL"), d.String(),
			fmt.Sprintf("must be above 0s, and %s or less", longestCredential)))
	}
	for _, u := range t.URLs {
		if scheme, _, found := strings.Cut(u, ":"); !found || !slices.Contains([]string{"turn", "turns", "stun", "stuns"}, scheme) {
			errs = append(errs, field.Invalid(path.Child("urls"), u, "must begin with turn:, turns:, stun: or stuns:"))
		}
	}
	if t.ICEPolicy != "all" && t.ICEPolicy != "relay" {
		errs = append(errs, field.Invalid(path.Child("icePolicy"), t.ICEPolicy, "must be all or relay"))
	}
	if t.Discovery != nil {
		errs = append(errs, t.Discovery.validate(path.Child("discovery"))...)
	}
	return errs
}

func (d TURNDiscovery) validate(path *field.Path) (errs field.ErrorList) {
	bad := func(name string, value any, remedy string) {
		errs = append(errs, field.Invalid(path.Child(name), value, remedy))
	}
	if d.Port < 1 || d.Port > maxPort {
		bad("port", d.Port, "must be between 1 and 65535")
	}
	if d.Namespace == "" {
		bad("namespace", d.Namespace, "must be the namespace that coturn runs in")
	}
	if len(d.Selector) == 0 {
		bad("selector", d.Selector, "must hold the labels of coturn's pods")
	}
	if _, err := netip.ParseAddr(d.Address); d.Address != "" && err != nil {
		bad("address", d.Address, "must be an IP address")
	}
	if d.AddressPort < 0 || d.AddressPort > maxPort {
		bad("addressPort", d.AddressPort, "must be between 1 and 65535, or 0 for none")
	}
	if t := d.TLS; t != nil && (t.Host == "" || t.Port < 1 || t.Port > maxPort) {
		bad("tls", *t, "must have a host that is in the certificate, and a port between 1 and 65535")
	}
	return errs
}
