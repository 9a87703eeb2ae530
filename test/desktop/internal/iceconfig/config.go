// Package iceconfig finds STUN and TURN servers the way Selkies 1.6 does: from a REST
// address, from a fixed user, or from a shared secret. It does not know whether the
// servers work.
package iceconfig

import (
	"encoding/json"
	"fmt"
	"time"
)

// Lifetime is how long credentials made from a shared secret last.
const Lifetime = 24 * time.Hour

// Config is the JSON that Selkies' /turn and TURN REST services answer with.
type Config struct {
	LifetimeDuration   string   `json:"lifetimeDuration"`
	ICEServers         []Server `json:"iceServers"`
	BlockStatus        string   `json:"blockStatus"`
	ICETransportPolicy string   `json:"iceTransportPolicy"` // "all" or "relay"
}

// Server is one entry of a Config.
type Server struct {
	URLs       URLs   `json:"urls"`
	Username   string `json:"username,omitempty"`
	Credential string `json:"credential,omitempty"`
}

// URLs is a list, which some services write as a single text.
type URLs []string

// UnmarshalJSON reads either form.
func (u *URLs) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*u = URLs{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(u))
}

// RelayOnly reports whether media may only go through TURN.
func (c Config) RelayOnly() bool { return c.ICETransportPolicy == "relay" }

// Parse reads a Config.
func Parse(raw []byte) (Config, error) {
	var c Config
	if err := json.Unmarshal(raw, &c); err != nil {
		return Config{}, fmt.Errorf("TURN configuration is not the expected JSON: %w", err)
	}
	for i, s := range c.ICEServers {
		if len(s.URLs) == 0 {
			return Config{}, fmt.Errorf("TURN configuration: iceServers[%d] has no urls", i)
		}
	}
	return c, nil
}

// none is a configuration without any server: direct connections only.
func none() Config {
	return Config{LifetimeDuration: "86400s", ICEServers: []Server{}, BlockStatus: "NOT_BLOCKED", ICETransportPolicy: "all"}
}
