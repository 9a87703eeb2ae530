package provider

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/time/rate"
)

// Keys are fetched for a token of an unknown key: at once a few times, then this often, since
// anybody can make such tokens.
const (
	keysEvery = 5 * time.Second
	keysBurst = 3
)

var errKeysTooOften = errors.New("the provider's keys were fetched a moment ago")

// keys are the provider's. The last good ones stay while it is away.
type keys struct {
	*oidc.RemoteKeySet
	url string
}

func newKeys(url string, c *http.Client) *keys {
	paced := *c
	paced.Transport = &pacedTransport{next: c.Transport, rate: rate.NewLimiter(rate.Every(keysEvery), keysBurst)}
	return &keys{RemoteKeySet: oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), &paced), url), url: url}
}

// pacedTransport sends no more than the rate allows.
type pacedTransport struct {
	next http.RoundTripper
	rate *rate.Limiter
}

func (t *pacedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !t.rate.Allow() {
		return nil, errKeysTooOften
	}
	return t.next.RoundTrip(r)
}
