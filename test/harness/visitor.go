package harness

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/org/vdi-operator/activator/page"
)

// Visitor is a person's program that is no browser: it has a cookie for one
// session, and finds every session's host at the installation's address.
type Visitor struct {
	URL  *url.URL
	HTTP *http.Client
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// trusts are the authorities whose certificates it accepts; nil is the machine's.
	trusts *x509.CertPool
}

// Anybody is a visitor without a link.
func (in *Installation) Anybody(sessionURL string) (*Visitor, error) {
	u, err := url.Parse(sessionURL)
	if err != nil {
		return nil, err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, in.Address)
	}
	return &Visitor{URL: u, dial: dial, trusts: in.Trusts, HTTP: &http.Client{
		Jar: jar,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
		Transport: &http.Transport{DialContext: dial, TLSClientConfig: &tls.Config{RootCAs: in.Trusts}},
	}}, nil
}

// Invited is a visitor who has exchanged a link for its cookie. That alone wakes
// nothing.
func (in *Installation) Invited(ctx context.Context, link string) (*Visitor, error) {
	v, err := in.Anybody(link)
	if err != nil {
		return nil, err
	}
	resp, err := v.do(ctx, http.MethodGet, link, nil, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusSeeOther {
		return nil, fmt.Errorf("the link answered %s, want a redirect", resp.Status)
	}
	v.URL.RawQuery = ""
	return v, nil
}

// Header is what a WebSocket of this visitor sends along: the cookie.
func (v *Visitor) Header() http.Header {
	h := http.Header{}
	for _, c := range v.HTTP.Jar.Cookies(v.URL) {
		h.Add("Cookie", c.String())
	}
	return h
}

// Dial connects to the installation whatever the address says.
func (v *Visitor) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return v.dial(ctx, network, addr)
}

// Get fetches a path of the session and returns the answer and its body.
func (v *Visitor) Get(ctx context.Context, path string, header http.Header) (*http.Response, []byte, error) {
	return v.Do(ctx, http.MethodGet, path, header, nil)
}

// Do sends any request to a path of the session.
func (v *Visitor) Do(ctx context.Context, method, path string, header http.Header, body io.Reader) (*http.Response, []byte, error) {
	target, err := v.URL.Parse(v.folder() + path)
	if err != nil {
		return nil, nil, err
	}
	resp, err := v.do(ctx, method, target.String(), header, body)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	content, err := io.ReadAll(resp.Body)
	return resp, content, err
}

func (v *Visitor) do(ctx context.Context, method, target string, header http.Header, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	return v.HTTP.Do(req)
}

// WebSocket opens one on a path of the session.
func (v *Visitor) WebSocket(ctx context.Context, path string) (*websocket.Conn, *http.Response, error) {
	target := *v.URL
	target.Scheme, target.Path = "ws"+strings.TrimPrefix(v.URL.Scheme, "http"), v.folder()+path
	d := websocket.Dialer{NetDialContext: v.dial, HandshakeTimeout: 10 * time.Second, TLSClientConfig: &tls.Config{RootCAs: v.trusts}}
	return d.DialContext(ctx, target.String(), v.Header())
}

// folder is the session's on its host, without a slash at its end.
func (v *Visitor) folder() string { return strings.TrimSuffix(v.URL.Path, "/") }

// Status asks for the session's status as the waiting page does.
func (v *Visitor) Status(ctx context.Context) (page.Status, error) {
	var s page.Status
	resp, body, err := v.Get(ctx, page.StatusPath, nil)
	if err != nil {
		return s, err
	}
	if resp.StatusCode != http.StatusOK {
		return s, fmt.Errorf("%s: %s", page.StatusPath, resp.Status)
	}
	return s, json.Unmarshal(body, &s)
}
