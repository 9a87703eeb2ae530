package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/org/vdi-operator/pkg/agentapi"
)

const (
	// claimRetry is the pause before another activator is asked, after one that did not answer.
	claimRetry = 500 * time.Millisecond
	// maxClaim is how much of an answer is read, in bytes.
	maxClaim = 16 << 10
)

// AwaitClaim waits until a session has claimed the pod, and writes whose it is to a file, which is
// there as a whole or not at all. It returns false when ctx ended first.
func (a *Agent) AwaitClaim(ctx context.Context, file string) bool {
	// An activator keeps the question for long; connecting takes no longer than otherwise.
	waiting := newClient()
	waiting.Timeout = agentapi.ClaimWait + postTimeout
	defer waiting.CloseIdleConnections()
	for said := ""; ; {
		claim, err := a.awaitOnce(ctx, waiting)
		if err == nil && claim != nil {
			if err = writeClaim(file, *claim); err == nil {
				a.Log.Info("the pod is a session's", "namespace", claim.Namespace, "session", claim.Session)
				return true
			}
		}
		if err != nil && err.Error() != said && ctx.Err() == nil {
			said = err.Error()
			a.Log.Warn("cannot ask whose the pod is; asking again", "error", err)
		}
		if err != nil && !sleep(ctx, claimRetry) || ctx.Err() != nil {
			return false
		}
	}
}

// awaitOnce asks one activator; nil is that nobody has claimed the pod yet.
func (a *Agent) awaitOnce(ctx context.Context, c *http.Client) (*agentapi.Claim, error) {
	peers, err := a.Activators(ctx)
	if err == nil && len(peers) == 0 {
		err = errors.New("there is no activator")
	}
	var errs []error
	for _, p := range peers {
		claim, failed := a.askClaim(ctx, c, p)
		if failed == nil {
			return claim, nil
		}
		errs = append(errs, failed)
	}
	return nil, errors.Join(append(errs, err)...)
}

func (a *Agent) askClaim(ctx context.Context, c *http.Client, p peer) (*agentapi.Claim, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.String()+agentapi.ClaimPath, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+a.Token)
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxClaim))
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode == http.StatusNoContent:
		return nil, nil //nolint:nilnil // Nobody has claimed it yet.
	case resp.StatusCode != http.StatusOK:
		return nil, &refusal{resp.StatusCode, strings.TrimSpace(string(answer[:min(len(answer), maxAnswer)]))}
	}
	claim := &agentapi.Claim{}
	if err := json.Unmarshal(answer, claim); err != nil {
		return nil, fmt.Errorf("an activator's answer: %w", err)
	}
	return claim, nil
}

// writeClaim writes lines that a shell can read.
func writeClaim(file string, c agentapi.Claim) error {
	var text strings.Builder
	for _, v := range []struct{ name, value string }{
		{"VDI_NAMESPACE", c.Namespace}, {"VDI_SESSION", c.Session}, {"VDI_TEMPLATE", c.Template}, {"VDI_USER", c.User},
	} {
		fmt.Fprintf(&text, "%s='%s'\n", v.name, strings.ReplaceAll(v.value, "'", `'\''`))
	}
	temporary := filepath.Join(filepath.Dir(file), "."+filepath.Base(file))
	if err := os.WriteFile(temporary, []byte(text.String()), 0o644); err != nil { //nolint:gosec // The desktop's user reads it.
		return err
	}
	return os.Rename(temporary, file)
}
