package iceconfig

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" // TURN REST credentials are defined with SHA-1
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// fresh is how long a fetched configuration is used; Selkies asks again as often.
	fresh = 60 * time.Second
	// fetchTimeout bounds one request to the REST service.
	fetchTimeout = 3 * time.Second
	// largestAnswer bounds what is read of an answer.
	largestAnswer = 64 << 10
	firstRetry    = 200 * time.Millisecond
	slowestRetry  = 10 * time.Second
)

// Source gives the current configuration.
type Source struct {
	env    settings
	client *http.Client
	log    *slog.Logger
	now    func() time.Time

	fetching sync.Mutex // one request at a time; guards nothing else

	mu   sync.Mutex // guards last and when
	last Config
	when time.Time // zero before the first success
}

type settings struct {
	restURI, restUser                     string
	userHeader, protocolHeader, tlsHeader string
	host, port, protocol                  string
	tls                                   bool
	username, password, secret            string
	stunHost, stunPort                    string
	policy                                string
}

// New reads the SELKIES_TURN_* and SELKIES_STUN_* settings, and DESKTOP_ICE_POLICY.
func New(getenv func(string) string, log *slog.Logger) (*Source, error) {
	or := func(name, otherwise string) string {
		if v := getenv(name); v != "" {
			return v
		}
		return otherwise
	}
	s := settings{
		restURI: getenv("SELKIES_TURN_REST_URI"), restUser: or("SELKIES_TURN_REST_USERNAME", "selkies-host"),
		userHeader:     or("SELKIES_TURN_REST_USERNAME_AUTH_HEADER", "x-auth-user"),
		protocolHeader: or("SELKIES_TURN_REST_PROTOCOL_HEADER", "x-turn-protocol"),
		tlsHeader:      or("SELKIES_TURN_REST_TLS_HEADER", "x-turn-tls"),
		host:           getenv("SELKIES_TURN_HOST"), port: or("SELKIES_TURN_PORT", "3478"),
		protocol: or("SELKIES_TURN_PROTOCOL", "udp"), tls: strings.EqualFold(getenv("SELKIES_TURN_TLS"), "true"),
		username: getenv("SELKIES_TURN_USERNAME"), password: getenv("SELKIES_TURN_PASSWORD"), secret: getenv("SELKIES_TURN_SHARED_SECRET"),
		stunHost: getenv("SELKIES_STUN_HOST"), stunPort: or("SELKIES_STUN_PORT", "3478"),
		policy: getenv("DESKTOP_ICE_POLICY"),
	}
	if s.policy != "" && s.policy != "all" && s.policy != "relay" {
		return nil, fmt.Errorf("DESKTOP_ICE_POLICY %q: want all or relay", s.policy)
	}
	if s.restURI != "" {
		if u, err := url.Parse(s.restURI); err != nil || u.Host == "" {
			return nil, fmt.Errorf("SELKIES_TURN_REST_URI %q: want an http or https address", s.restURI)
		}
	}
	return &Source{env: s, client: &http.Client{Timeout: fetchTimeout}, log: log, now: time.Now}, nil
}

// Prefetch asks the REST service until it has answered once, so that the first viewer
// need not wait. It returns then, or when ctx ends, or at once without a REST service.
func (s *Source) Prefetch(ctx context.Context) {
	if s.env.restURI == "" {
		return
	}
	for wait := firstRetry; ; wait = min(2*wait, slowestRetry) {
		_, err := s.fetch(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		s.log.Warn("no TURN configuration yet, asking again", "error", err.Error(), "in", wait.String())
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

// Get returns the configuration for a viewer whose identity is user (for credentials made
// here). A REST service that fails gives its last answer, or none: a direct connection
// may still work.
func (s *Source) Get(ctx context.Context, user string) Config {
	c := s.get(ctx, user)
	if s.env.policy != "" {
		c.ICETransportPolicy = s.env.policy
	}
	return c
}

func (s *Source) get(ctx context.Context, user string) Config {
	if s.env.restURI != "" {
		c, err := s.fetch(ctx)
		if err != nil {
			s.log.Warn("the TURN service failed, going on with what is known", "error", err.Error(), "servers", len(c.ICEServers))
		}
		return c
	}
	c := none()
	if s.env.stunHost != "" {
		c.ICEServers = append(c.ICEServers, Server{URLs: URLs{"stun:" + net.JoinHostPort(s.env.stunHost, s.env.stunPort)}})
	}
	if s.env.host == "" {
		return c
	}
	scheme := "turn"
	if s.env.tls {
		scheme = "turns"
	}
	hostPort := net.JoinHostPort(s.env.host, s.env.port)
	turn := Server{URLs: URLs{scheme + ":" + hostPort + "?transport=" + s.env.protocol}, Username: s.env.username, Credential: s.env.password}
	switch {
	case s.env.username != "" && s.env.password != "":
	case s.env.secret != "":
		turn.Username, turn.Credential = mint(s.env.secret, user, s.now().Add(Lifetime))
		c.ICEServers = append(c.ICEServers, Server{URLs: URLs{"stun:" + hostPort}})
	default:
		return c
	}
	c.ICEServers = append(c.ICEServers, turn)
	return c
}

// mint makes credentials of the TURN REST scheme: the username says when they end, the
// password proves that the holder of the secret said so.
func mint(secret, user string, expiry time.Time) (username, credential string) {
	// A colon would be read as the end of the time.
	username = strconv.FormatInt(expiry.Unix(), 10) + ":" + strings.ReplaceAll(user, ":", "-")
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(username))
	return username, base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// fetch returns a fresh answer, or with an error the last one known.
func (s *Source) fetch(ctx context.Context) (Config, error) {
	s.fetching.Lock() // whoever waits here finds a fresh answer afterwards
	defer s.fetching.Unlock()
	known, when := s.known()
	if !when.IsZero() && s.now().Sub(when) < fresh {
		return known, nil
	}
	c, err := s.ask(ctx)
	if err != nil {
		return known, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last, s.when = c, s.now()
	return c, nil
}

func (s *Source) known() (Config, time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.when.IsZero() {
		return none(), s.when
	}
	return s.last, s.when
}

func (s *Source) ask(ctx context.Context) (Config, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.env.restURI, nil)
	if err != nil {
		return Config{}, err
	}
	req.Header.Set(s.env.userHeader, s.env.restUser)
	req.Header.Set(s.env.protocolHeader, s.env.protocol)
	req.Header.Set(s.env.tlsHeader, strconv.FormatBool(s.env.tls))
	resp, err := s.client.Do(req)
	if err != nil {
		return Config{}, fmt.Errorf("ask the TURN service: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, largestAnswer))
	if err != nil {
		return Config{}, fmt.Errorf("read the TURN service's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return Config{}, fmt.Errorf("the TURN service answered %s to user %q: check SELKIES_TURN_REST_URI and SELKIES_TURN_REST_USERNAME", resp.Status, s.env.restUser)
	}
	return Parse(raw)
}
