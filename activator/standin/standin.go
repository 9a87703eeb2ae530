// Package standin has the agent beside a Selkies 1.6 be its viewer until a person's client comes,
// and brings that client to the agent.
//
// It does not know whether the desktop has a viewer: the desktop does, and refuses the agent, or the
// client where the agent was sooner.
package standin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/pkg/agentapi"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/metrics"
)

const (
	// dialWithin bounds connecting to an agent: it is in the same cluster, or gone.
	dialWithin = 250 * time.Millisecond
	// maxAnswer and maxHeader, in bytes, bound an agent's answer.
	maxAnswer, maxHeader = 1 << 10, 4 << 10
	// mostBytes is how much an agent has room for on one WebSocket.
	mostBytes = 1 << 20
)

// StandIns asks agents.
type StandIns struct {
	http    *http.Client
	dialer  net.Dialer
	limits  config.Limits
	metrics *metrics.Activator
	log     *slog.Logger
}

// New makes them.
func New(l config.Limits, m *metrics.Activator, log *slog.Logger) *StandIns {
	dialer := net.Dialer{Timeout: dialWithin}
	return &StandIns{limits: l, metrics: m, log: log, dialer: dialer, http: &http.Client{
		Transport:     &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: maxHeader},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Off says that nobody stands in.
func (s *StandIns) Off() bool { return s.limits.StandInTime.Duration <= 0 }

// Ask has the agent at that address stand in for a viewer with that screen, and returns when that
// is over, or ctx ends: then the agent gives the place back.
func (s *StandIns) Ask(ctx context.Context, at string, screen page.Screen) {
	end, err := s.ask(ctx, at, screen)
	switch {
	case ctx.Err() != nil:
		end = agentapi.EndGivenBack
	case err != nil:
		end = metrics.StandInFailed
		s.log.Info("an agent did not stand in for a viewer; the desktop is slower to show", "agent", at, "error", err)
	}
	s.metrics.StandIns.WithLabelValues(string(end)).Inc()
}

func (s *StandIns) ask(ctx context.Context, at string, screen page.Screen) (agentapi.End, error) {
	body, err := json.Marshal(agentapi.StandIn{Width: screen.Width, Height: screen.Height, Scale: screen.Scale,
		Milliseconds: s.limits.StandInTime.Milliseconds(), Bytes: min(s.limits.BufferedBytes, mostBytes)})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+at+agentapi.StandInPath, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return "", err
	}
	var ended agentapi.Ended
	if resp.StatusCode != http.StatusOK || json.Unmarshal(answer, &ended) != nil {
		return "", fmt.Errorf("it answered %s: %s", resp.Status, answer)
	}
	switch ended.End {
	case agentapi.EndTaken, agentapi.EndRefused, agentapi.EndGivenBack:
		return ended.End, nil
	}
	return "", fmt.Errorf("it answered %q", ended.End)
}

// Take calls done once, from a goroutine of its own, with a connection to the agent at that
// address, which stands in, or with what otherwise leads to, where the agent is gone. cancel is as
// that of otherwise.
func (s *StandIns) Take(at string, done func(net.Conn, error), otherwise func(done func(net.Conn, error)) (cancel func())) (cancel func()) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		conn, err := s.dialer.DialContext(ctx, "tcp", at)
		switch {
		case err == nil:
			done(conn, nil)
		case ctx.Err() == nil:
			context.AfterFunc(ctx, otherwise(done))
		}
	}()
	return cancel
}
