package nodeapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// Errors that a Client returns; errors.Is distinguishes them. Whatever else it returns, such as
// that nothing answers, says nothing of the desktop's state.
var (
	// ErrRefused says that the order is not for this node or action, has expired, or was signed
	// with another key.
	ErrRefused = errors.New("the program on the node refused the order")
	// ErrNoPod says that no such pod of this installation is on the node.
	ErrNoPod = errors.New("the program on the node knows no such pod")
	// ErrOvertaken says that a later order of the pod was obeyed, or that the pod ends, and so runs.
	ErrOvertaken = errors.New("a later order was obeyed, or the pod ends")
	// ErrCannot says that the program tried, and its reason follows.
	ErrCannot = errors.New("the program on the node cannot")
)

const (
	// dialWithin bounds connecting: the program is in the same cluster, or gone.
	dialWithin = 2 * time.Second
	// answerWithin bounds an order beside the caller's context: a freeze waits for each process
	// to stop at a safe point.
	answerWithin = 10 * time.Second
	// maxHeader bounds the head of an answer.
	maxHeader = 4 << 10
)

// Client gives orders to the programs of all nodes, and asks how the nodes are.
type Client struct{ http *http.Client }

// NewClient makes a client. It keeps no connection: orders are rare.
func NewClient() *Client {
	return &Client{http: &http.Client{
		Timeout: answerWithin,
		Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: dialWithin}).DialContext, DisableKeepAlives: true,
			DisableCompression: true, MaxResponseHeaderBytes: maxHeader},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Freeze returns when the pod's desktop is frozen. The order is signed.
func (c *Client) Freeze(ctx context.Context, address netip.AddrPort, order string) error {
	return c.post(ctx, address, FreezePath, order)
}

// Thaw returns when the pod's desktop runs. The order is signed.
func (c *Client) Thaw(ctx context.Context, address netip.AddrPort, order string) error {
	return c.post(ctx, address, ThawPath, order)
}

func (c *Client) post(ctx context.Context, address netip.AddrPort, path, order string) error {
	answer, err := c.do(ctx, http.MethodPost, address, path, order)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode == http.StatusNoContent {
		return nil
	}
	return refusal(answer)
}

func (c *Client) do(ctx context.Context, method string, address netip.AddrPort, path, order string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+address.String()+path, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("the node program's address %s: %w", address, err)
	}
	r.Header.Set("Authorization", "Bearer "+order)
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("asking the program on the node: %w", err)
	}
	return answer, nil
}

// refusal is the error of an answer that is not what was asked for.
func refusal(answer *http.Response) (err error) {
	text, _ := io.ReadAll(io.LimitReader(answer.Body, MaxReason))
	reason := strings.TrimSpace(strings.ToValidUTF8(string(text), ""))
	switch answer.StatusCode {
	case http.StatusForbidden:
		err = ErrRefused
	case http.StatusNotFound:
		err = ErrNoPod
	case http.StatusConflict:
		err = ErrOvertaken
	case http.StatusServiceUnavailable:
		err = ErrCannot
	default:
		err = fmt.Errorf("the program on the node answered %s", answer.Status)
	}
	if reason == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, reason)
}
