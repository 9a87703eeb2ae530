package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	// connectTimeout bounds the way to an activator, which is milliseconds away.
	connectTimeout = 500 * time.Millisecond
	// postTimeout bounds one report; an activator may write to the API server meanwhile.
	postTimeout = 5 * time.Second
	// idleConnection is how long an unused connection to an activator stays open.
	idleConnection = 30 * time.Second
	// maxAnswer is how much of a refusal is read, in bytes.
	maxAnswer = 1024
)

func newClient() *http.Client {
	return &http.Client{
		Timeout: postTimeout,
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: connectTimeout}).DialContext,
			IdleConnTimeout:     idleConnection,
			MaxIdleConnsPerHost: 1,
			DisableCompression:  true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// refusal is an activator's answer other than yes.
type refusal struct {
	status int
	reason string
}

func (r *refusal) Error() string {
	return fmt.Sprintf("the activator answered %d: %s", r.status, r.reason)
}

// post sends one report to one activator and returns its answer's header.
func (a *Agent) post(ctx context.Context, to peer, path string, report any) (http.Header, error) {
	body, err := json.Marshal(report)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+to.String()+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+a.Token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode != http.StatusNoContent {
		return nil, &refusal{resp.StatusCode, strings.TrimSpace(string(answer))}
	}
	return resp.Header, nil
}
