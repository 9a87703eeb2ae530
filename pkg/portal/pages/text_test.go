package pages

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/portal/text"
)

// made are texts whose keys are put together, by how they begin, or are not said by this package.
var made = []string{"state.", "reason.", "slept.", "span.", "ago.", "in.", "share.", "form.expiry.", "session.clock.", "fact.left.",
	"presence.", "watching.", "done.", "form.link", "form.person", "form.user", "bad.", "refusal.", "signedOut.", "date"}

func TestEveryTextIsThereAndUsed(t *testing.T) {
	var sources string
	pages, err := fs.Glob(files, "html/*.html")
	require.NoError(t, err)
	for _, page := range pages {
		raw, err := fs.ReadFile(files, page)
		require.NoError(t, err)
		sources += string(raw)
	}
	for _, said := range regexp.MustCompile(`Say "([^"]+)"`).FindAllStringSubmatch(sources, -1) {
		assert.True(t, text.Tongues[0].Has(said[1]), "the pages say %q", said[1])
	}
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		raw, err := os.ReadFile(e.Name())
		require.NoError(t, err)
		for _, said := range regexp.MustCompile(`(?:Say|add)\("([^"]+[^".])"[,)]`).FindAllStringSubmatch(string(raw), -1) {
			assert.True(t, text.Tongues[0].Has(said[1]), "%s says %q", e.Name(), said[1])
		}
		sources += string(raw)
	}
	for _, key := range text.Tongues[0].Keys() {
		base := strings.TrimSuffix(strings.TrimSuffix(key, ".title"), ".text")
		if slices.ContainsFunc(made, func(begin string) bool { return strings.HasPrefix(key, begin) }) {
			continue
		}
		assert.True(t, strings.Contains(sources, `"`+key+`"`) || base != key && strings.Contains(sources, `"`+base+`"`), "nothing says %q", key)
	}
}

func TestEveryReasonThatKeepsADesktopWaitingHasAText(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../../apis/vdi/v1alpha1/reasons.go", nil, parser.ParseComments)
	require.NoError(t, err)
	checked := 0
	for _, d := range file.Decls {
		group, is := d.(*ast.GenDecl)
		if !is || group.Doc == nil || !strings.Contains(group.Doc.Text(), "what a start waits for") {
			continue
		}
		for _, spec := range group.Specs {
			reason := strings.Trim(spec.(*ast.ValueSpec).Values[0].(*ast.BasicLit).Value, `"`)
			assert.True(t, text.Tongues[0].Has("reason."+reason), reason)
			checked++
		}
	}
	assert.Greater(t, checked, 15)
}

func TestThePagesSpeakTheLanguageThatABrowserAsksFor(t *testing.T) {
	for asks, want := range map[string]string{
		"": "en", "de": "de", "de-AT,en;q=0.5": "de", "fr,de;q=0.8,en;q=0.5": "de", "fr": "en", "en-GB": "en", "*": "en", "de;q=x": "en",
		"ja, zh": "en",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept-Language", asks)
		assert.Equal(t, want, text.Of(r).Tag.String(), asks)
	}
	p := newPortal(t, desk("desk", "ada"))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Accept-Language", "de-DE")
	w := p.do(r)
	assert.Contains(t, w.Body.String(), `<html lang="de">`)
	assert.Contains(t, w.Body.String(), "Sie haben 1 von 5 Desktops.")
	assert.Contains(t, w.Header().Get("Vary"), "Accept-Language")
}
