package page

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

func pageUnder(t *testing.T, p *v1alpha1.AccessPolicy, user string) string {
	t.Helper()
	u, err := url.Parse("/")
	require.NoError(t, err)
	w := httptest.NewRecorder()
	WritePage(w, Page{Name: "desk", Address: u, Status: Status{State: StateReady}, Visitor: Visitor{User: user}, Access: p})
	return expectPage(t, w, http.StatusOK)
}

func TestTheBrowserItselfWithholdsWhatThePolicyForbids(t *testing.T) {
	for name, tc := range map[string]struct {
		policy  *v1alpha1.AccessPolicy
		allowed []string
		denied  []string
	}{
		"nothing":      {nil, []string{"clipboard-read;", "clipboard-write;", "microphone;", "fullscreen;"}, nil},
		"ToDesktop":    {&v1alpha1.AccessPolicy{Clipboard: v1alpha1.ClipboardToDesktop}, []string{"clipboard-read;"}, []string{"clipboard-write"}},
		"FromDesktop":  {&v1alpha1.AccessPolicy{Clipboard: v1alpha1.ClipboardFromDesktop}, []string{"clipboard-write;"}, []string{"clipboard-read"}},
		"microphone":   {&v1alpha1.AccessPolicy{Microphone: new(false)}, []string{"camera;", "clipboard-read;"}, []string{"microphone"}},
		"a watermark":  {&v1alpha1.AccessPolicy{Watermark: "x"}, []string{"microphone;"}, []string{"picture-in-picture"}},
		"no clipboard": {&v1alpha1.AccessPolicy{Clipboard: v1alpha1.ClipboardNone}, []string{"microphone;"}, []string{"clipboard-read", "clipboard-write"}},
	} {
		allow := frameAllows(tc.policy)
		for _, feature := range tc.allowed {
			assert.Contains(t, allow, feature, name)
		}
		for _, feature := range tc.denied {
			assert.Contains(t, allow, feature+" 'none'", name)
		}
		if tc.denied == nil {
			assert.NotContains(t, allow, "'none'", name)
		}
	}
	assert.Contains(t, pageUnder(t, &v1alpha1.AccessPolicy{Microphone: new(false)}, ""), `microphone &#39;none&#39;`)
}

func TestTheWatermarkNamesWhoLooksAndWhen(t *testing.T) {
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	p := Page{Name: "desk", Visitor: Visitor{User: "ada@example.com"}, Access: &v1alpha1.AccessPolicy{Watermark: "{user} at {session}, {time}; {what}"}}
	assert.Equal(t, "ada@example.com at desk, 2030-01-02 02:04 UTC; {what}", atTime(p.watermark(), at))
	body := pageUnder(t, &v1alpha1.AccessPolicy{Watermark: "{user}"}, "<b>mallory</b>")
	assert.Contains(t, body, "<span>&lt;b&gt;mallory&lt;/b&gt;</span>", "a name is text")
	assert.Contains(t, body, `id="watermark" aria-hidden="true"`)
	for _, p := range []*v1alpha1.AccessPolicy{nil, {Clipboard: v1alpha1.ClipboardNone}} {
		assert.NotContains(t, pageUnder(t, p, "ada"), `id="watermark"`)
	}
}
