package coturn

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"
)

// Config is what the chart says about the server. It holds no secret.
type Config struct {
	// Port serves TURN and STUN by UDP and TCP; TLSPort serves TURN by TLS, 0 for none.
	Port    int `json:"port"`
	TLSPort int `json:"tlsPort"`
	// Relay are the UDP ports of allocations, one each.
	Relay PortRange `json:"relay"`
	Realm string    `json:"realm"`
	// External is how the world sees the server's address.
	External External `json:"external"`
	Quota    Quota    `json:"quota"`
	// DeniedPeers are addresses and networks that nobody may send to; AllowedPeers win
	// over them, and the server's own address is always among these.
	DeniedPeers  []string `json:"deniedPeers"`
	AllowedPeers []string `json:"allowedPeers"`
	// SecretOverlap is how long credentials of the former secret are still accepted.
	SecretOverlap metav1.Duration `json:"secretOverlap"`
}

// PortRange is a range of ports, both ends in it.
type PortRange struct {
	MinPort int `json:"minPort"`
	MaxPort int `json:"maxPort"`
}

// Size is how many ports there are.
func (r PortRange) Size() int { return r.MaxPort - r.MinPort + 1 }

// Holds reports whether port is in the range.
func (r PortRange) Holds(port int) bool { return port >= r.MinPort && port <= r.MaxPort }

// Quota bounds what clients may take; 0 is no bound.
type Quota struct {
	// PerUser and Total are allocations at one time.
	PerUser int `json:"perUser"`
	Total   int `json:"total"`
	// BytesPerSecond is one allocation's, each way.
	BytesPerSecond int `json:"bytesPerSecond"`
}

// External is where the server's public address comes from.
type External struct {
	Mode ExternalMode `json:"mode"`
	// Address is the one of mode Fixed.
	Address string `json:"address"`
	// Annotation of the Node holds the one of mode NodeAnnotation.
	Annotation string `json:"annotation"`
	// STUNServer, host:port, is asked in mode STUN.
	STUNServer string `json:"stunServer"`
}

// ExternalMode is a way of finding the public address.
type ExternalMode string

// The ways of finding the public address.
const (
	// ExternalNone: clients reach the server at the address it listens on.
	ExternalNone           ExternalMode = "None"
	ExternalFixed          ExternalMode = "Fixed"
	ExternalNodeAddress    ExternalMode = "NodeExternalIP"
	ExternalNodeAnnotation ExternalMode = "NodeAnnotation"
	ExternalSTUN           ExternalMode = "STUN"
)

const (
	// lowestPort is the first that a process without privileges may open.
	lowestPort  = 1024
	highestPort = 65535
	// leastPorts is the smallest useful relay range: one session in use takes about ten.
	leastPorts = 20
	// sessionsShare is how many sessions must have room that take all they may.
	sessionsShare = 8
)

// safeRealm keeps the realm from ending a line of turnserver.conf or an SQL text.
var safeRealm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,127}$`)

// LoadConfig reads and checks a configuration file.
func LoadConfig(path string) (Config, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read the configuration: %w", err)
	}
	c, err := ParseConfig(raw)
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// ParseConfig reads and checks a configuration; its error names every wrong field.
func ParseConfig(raw []byte) (Config, error) {
	c := Config{External: External{Mode: ExternalNone}}
	if err := yaml.UnmarshalStrict(raw, &c); err != nil {
		return Config{}, err
	}
	if err := c.validate().ToAggregate(); err != nil {
		return Config{}, err
	}
	return c, nil
}

func (c *Config) validate() field.ErrorList {
	var errs field.ErrorList
	bad := func(value any, why string, path ...string) {
		errs = append(errs, field.Invalid(field.NewPath(path[0], path[1:]...), value, why))
	}
	port := func(p int, path ...string) {
		if p < lowestPort || p > highestPort {
			bad(p, fmt.Sprintf("must be between %d and %d: the server may not open lower ports", lowestPort, highestPort), path...)
		}
	}
	port(c.Port, "port")
	port(c.Relay.MinPort, "relay", "minPort")
	port(c.Relay.MaxPort, "relay", "maxPort")
	if n := c.Relay.Size(); n < leastPorts {
		bad(c.Relay.MaxPort, fmt.Sprintf("leaves %d relay ports; give at least %d, about ten for each session in use", max(n, 0), leastPorts),
			"relay", "maxPort")
	}
	if c.Relay.Holds(c.Port) {
		bad(c.Port, "must not be one of the relay ports", "port")
	}
	if c.TLSPort != 0 {
		port(c.TLSPort, "tlsPort")
		if c.TLSPort == c.Port || c.Relay.Holds(c.TLSPort) {
			bad(c.TLSPort, "must be neither port nor one of the relay ports", "tlsPort")
		}
	}
	if !safeRealm.MatchString(c.Realm) {
		bad(c.Realm, "must be letters, digits, dots, hyphens and underscores, at most 127", "realm")
	}
	for name, n := range map[string]int{"perUser": c.Quota.PerUser, "total": c.Quota.Total, "bytesPerSecond": c.Quota.BytesPerSecond} {
		if n < 0 {
			bad(n, "must be 0, for no bound, or above", "quota", name)
		}
	}
	if most := c.Relay.Size() / sessionsShare; c.Quota.PerUser > most {
		bad(c.Quota.PerUser, fmt.Sprintf("must be at most %d, an eighth of the relay ports, so that no session takes them all; "+
			"or widen relay.minPort to relay.maxPort", most),
			"quota", "perUser")
	}
	for name, peers := range map[string][]string{"deniedPeers": c.DeniedPeers, "allowedPeers": c.AllowedPeers} {
		for i, p := range peers {
			if _, err := peerRanges(p); err != nil {
				errs = append(errs, field.Invalid(field.NewPath(name).Index(i), p, err.Error()))
			}
		}
	}
	if d := c.SecretOverlap.Duration; d < 0 {
		bad(d.String(), "must be 0s or longer", "secretOverlap")
	}
	return append(errs, c.External.validate()...)
}

func (e External) validate() field.ErrorList {
	bad := func(value any, why, name string) field.ErrorList {
		return field.ErrorList{field.Invalid(field.NewPath("external", name), value, why)}
	}
	switch e.Mode {
	case ExternalNone, ExternalNodeAddress:
	case ExternalFixed:
		if _, err := netip.ParseAddr(e.Address); err != nil {
			return bad(e.Address, "must be an IP address in mode Fixed", "address")
		}
	case ExternalNodeAnnotation:
		if e.Annotation == "" {
			return bad(e.Annotation, "must name an annotation of the Node in mode NodeAnnotation", "annotation")
		}
	case ExternalSTUN:
		if _, port, err := net.SplitHostPort(e.STUNServer); err != nil || port == "" {
			return bad(e.STUNServer, "must be host:port of a STUN server in mode STUN", "stunServer")
		}
	default:
		modes := []ExternalMode{ExternalNone, ExternalFixed, ExternalNodeAddress, ExternalNodeAnnotation, ExternalSTUN}
		return field.ErrorList{field.NotSupported(field.NewPath("external", "mode"), e.Mode, modes)}
	}
	return nil
}
