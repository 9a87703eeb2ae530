// Package turn mints time-limited TURN credentials and writes them in the form
// that Selkies clients and desktops ask for.
//
// The scheme is the one of coturn's --use-auth-secret: the user name is
// "<unix expiry>:<subject>", the password the base64 of the HMAC-SHA1 of the user
// name (draft-uberti-behave-turn-rest-00). The shared secret never leaves the
// activator and coturn.
package turn

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// Credential is a TURN user and password, good until Expires.
type Credential struct {
	Username string
	Password string
	Expires  time.Time
}

// Mint makes a credential for subject that expires ttl after now. Colons in the
// subject are replaced, because the first one separates the expiry.
func Mint(secret []byte, subject string, now time.Time, ttl time.Duration) Credential {
	expires := now.Add(ttl)
	user := strconv.FormatInt(expires.Unix(), 10) + ":" + strings.ReplaceAll(subject, ":", "-")
	mac := hmac.New(sha1.New, secret)
	mac.Write([]byte(user))
	return Credential{Username: user, Password: base64.StdEncoding.EncodeToString(mac.Sum(nil)), Expires: expires}
}

// Server is one entry of iceServers as WebRTC defines it.
type Server struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username,omitempty"`
	Credential string   `json:"credential,omitempty"`
}

// RTCConfig is the JSON that Selkies 1.6 serves at /turn and reads from
// SELKIES_TURN_REST_URI (selkies v1.6.2, signalling_web.py:49-88).
type RTCConfig struct {
	LifetimeDuration   string   `json:"lifetimeDuration"`
	ICEServers         []Server `json:"iceServers"`
	BlockStatus        string   `json:"blockStatus"`
	ICETransportPolicy string   `json:"iceTransportPolicy"`
}

// Config builds the answer for one credential. STUN URLs get an entry of their
// own first, as Selkies' clients expect. policy is "all" or "relay".
func Config(urls []string, c Credential, ttl time.Duration, policy string) RTCConfig {
	var stun, relay []string
	for _, u := range urls {
		if strings.HasPrefix(u, "stun") {
			stun = append(stun, u)
		} else {
			relay = append(relay, u)
		}
	}
	cfg := RTCConfig{
		LifetimeDuration:   strconv.FormatInt(int64(ttl.Seconds()), 10) + "s",
		ICEServers:         []Server{},
		BlockStatus:        "NOT_BLOCKED",
		ICETransportPolicy: policy,
	}
	if len(stun) > 0 {
		cfg.ICEServers = append(cfg.ICEServers, Server{URLs: stun})
	}
	if len(relay) > 0 {
		cfg.ICEServers = append(cfg.ICEServers, Server{URLs: relay, Username: c.Username, Credential: c.Password})
	}
	return cfg
}
