package portal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/signin"
)

const (
	// redeemWithin bounds the question, redeemBytes its answer.
	redeemWithin = 5 * time.Second
	redeemBytes  = 4 << 10
	// longestUser and longestName bound what is believed.
	longestUser, longestName = 253, 63
)

// Question is what the activator asks about a code.
type Question struct {
	Code        string    `json:"code"`
	BrowserHash string    `json:"browserHash"`
	Namespace   string    `json:"namespace"`
	Name        string    `json:"name"`
	UID         types.UID `json:"uid"`
}

// Answer is whom the code lets in.
type Answer struct {
	SignIn string `json:"signIn"`
	User   string `json:"user"`
	Admin  bool   `json:"admin"`
}

// reasons are those for which the portal refuses a code.
var reasons = []string{"used", "expired", "browser", "session", "signed_out"}

// RefusedError says that the portal refuses a code.
type RefusedError struct{ Reason string }

// Error implements error.
func (e *RefusedError) Error() string { return "the portal refuses the code: " + e.Reason }

// Redeemer asks the portal about codes.
type Redeemer struct {
	url    string
	client *http.Client
}

// NewRedeemer makes one for the portal at an address inside the cluster.
func NewRedeemer(at string) *Redeemer {
	return &Redeemer{url: at + "/redeem", client: &http.Client{
		Timeout: redeemWithin,
		// A code is seldom, and goes nowhere else.
		Transport:     &http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: redeemBytes, DialContext: (&net.Dialer{Timeout: dialWithin}).DialContext},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Redeem uses a code up. A *RefusedError says that it is good for nothing; any other error that the
// portal is away.
func (r *Redeemer) Redeem(ctx context.Context, q Question) (Answer, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return Answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, redeemWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := r.client.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(response.Body, redeemBytes+1))
	if err != nil {
		return Answer{}, err
	}
	return answered(response.StatusCode, raw)
}

// answered reads what the portal says. Its text reaches no log.
func answered(status int, raw []byte) (Answer, error) {
	var said struct {
		Answer
		Reason string `json:"reason"`
	}
	if len(raw) > redeemBytes || json.Unmarshal(raw, &said) != nil {
		return Answer{}, fmt.Errorf("the portal answered %d, and no JSON of %d bytes at most", status, redeemBytes)
	}
	switch {
	case status == http.StatusForbidden && slices.Contains(reasons, said.Reason):
		return Answer{}, &RefusedError{said.Reason}
	case status != http.StatusOK:
		return Answer{}, fmt.Errorf("the portal answered %d", status)
	case said.User == "" || len(said.User) > longestUser || len(said.SignIn) > longestName || !strings.HasPrefix(said.SignIn, signin.NamePrefix):
		return Answer{}, errors.New("the portal answered for nobody")
	}
	return said.Answer, nil
}
