package activator_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/org/vdi-operator/activator/closing"
)

func TestNothingIsLoadedAheadOfAPerson(t *testing.T) {
	g := newGateway(t)
	page := http.Header{"Accept": {"text/html"}, "Sec-Fetch-Dest": {"document"}, "Sec-Fetch-Mode": {"navigate"}}
	for name, field := range map[string][2]string{
		"a prefetch":             {"Sec-Purpose", "prefetch"},
		"a prerender":            {"Sec-Purpose", "prefetch;prerender"},
		"an anonymous prefetch":  {"Sec-Purpose", "prefetch;anonymous-client-ip"},
		"Chrome's older field":   {"Purpose", "prefetch"},
		"Safari's preview":       {"X-Purpose", "preview"},
		"Firefox's":              {"X-Moz", "prefetch"},
		"Slack's preview":        {"User-Agent", "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"},
		"Discord's":              {"User-Agent", "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)"},
		"WhatsApp's":             {"User-Agent", "WhatsApp/2.23.20.0 A"},
		"that of Apple Messages": {"User-Agent", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) Version/9.0.1 Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0"},
		"Teams'":                 {"User-Agent", "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5"},
	} {
		for kind, base := range map[string]http.Header{"a page": page, "a program": noBrowser} {
			before := refusals(g, closing.Speculative)
			got := g.do(http.MethodGet, "/", with(g.As(base), field[0], field[1]))
			if got.code != http.StatusServiceUnavailable || refusals(g, closing.Speculative) != before+1 {
				t.Errorf("%s of %s: %d", name, kind, got.code)
			}
		}
	}
	g.expectNothingWritten()
	for _, agent := range []string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
		"Mozilla/5.0 (Linux; Android 9; CUBOT_X18_Plus) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36",
	} {
		got := g.do(http.MethodGet, "/", with(g.As(page), "User-Agent", agent))
		assert.Equal(t, http.StatusAccepted, got.code, "%s is taken for a preview", agent)
	}
}
