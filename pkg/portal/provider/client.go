package provider

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// answerWithin bounds a question to the provider.
	answerWithin = 10 * time.Second
	// maxAnswer is longer than any answer with a good token.
	maxAnswer = 512 << 10
)

// NewClient asks a provider whose certificate the system or ca, in PEM, vouches for. It
// follows no redirects and reads no endless answers.
func NewClient(ca []byte) (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if len(ca) > 0 {
		pool, err := x509.SystemCertPool()
		if err != nil {
			return nil, fmt.Errorf("reading the system's certificates: %w", err)
		}
		if !pool.AppendCertsFromPEM(ca) {
			return nil, errors.New("there is no certificate in it: it must be in PEM")
		}
		transport.TLSClientConfig.RootCAs = pool
	}
	return &http.Client{Timeout: answerWithin, Transport: bounded{transport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, nil
}

// bounded reads answers up to a length.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	}
	return resp, err
}
