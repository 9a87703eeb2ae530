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
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/resource"
)

func TestEveryLanguageHasEveryTextWithTheSamePlaceholders(t *testing.T) {
	placeholder := regexp.MustCompile(`\{\w+\}`)
	names := func(said string) []string {
		all := placeholder.FindAllString(said, -1)
		slices.Sort(all)
		return slices.Compact(all)
	}
	require.Len(t, tongues, 2)
	assert.Equal(t, "en", tongues[0].Tag.String(), "what holds for those who ask for neither")
	for key, forms := range tongues[0].texts {
		for _, other := range tongues {
			require.NotEmpty(t, other.texts[key]["other"], "%s lacks %s", other.Tag, key)
			for form, said := range other.texts[key] {
				assert.Equal(t, names(forms["other"]), names(said), "%s in %s, %s", key, other.Tag, form)
			}
		}
	}
	for _, other := range tongues {
		assert.Len(t, other.texts, len(tongues[0].texts), other.Tag)
	}
}

// made are texts whose keys are put together, by how they begin.
var made = []string{"state.", "reason.", "slept.", "span.", "ago.", "in.", "share.", "form.expiry.", "session.clock.", "fact.left.",
	"done.", "form.link", "form.person", "form.user", "bad."}

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
		assert.True(t, tongues[0].Has(said[1]), "the pages say %q", said[1])
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
			assert.True(t, tongues[0].Has(said[1]), "%s says %q", e.Name(), said[1])
		}
		sources += string(raw)
	}
	for key := range tongues[0].texts {
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
			assert.True(t, tongues[0].Has("reason."+reason), reason)
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
		assert.Equal(t, want, tongueOf(r).Tag.String(), asks)
	}
	p := newPortal(t, desk("desk", "ada"))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Accept-Language", "de-DE")
	w := p.do(r)
	assert.Contains(t, w.Body.String(), `<html lang="de">`)
	assert.Contains(t, w.Body.String(), "Sie haben 1 von 5 Desktops.")
	assert.Contains(t, w.Header().Get("Vary"), "Accept-Language")
}

func TestNumbersAndTimesAreWrittenAsInTheLanguage(t *testing.T) {
	en, de, now := tongues[0], tongues[1], time.Now()
	assert.Equal(t, "1,234.5", en.Number(1234.5))
	assert.Equal(t, "1.234,5", de.Number(1234.5))
	assert.Equal(t, "1,5\u00a0GiB", de.Size(resource.MustParse("1536Mi")))
	assert.Equal(t, "1 desktop", en.Say("admin.found", "n", 1))
	assert.Equal(t, "0 desktops", en.Say("admin.found", "n", 0))
	assert.Equal(t, "vor 3 Tagen", de.Relative(now.Add(-72*time.Hour), now))
	assert.Equal(t, "in 3 Tagen", de.Relative(now.Add(72*time.Hour), now))
	assert.Equal(t, "just now", en.Relative(now, now))
	for d, want := range map[time.Duration]string{30 * time.Second: "less than a minute", time.Minute: "1 minute",
		89 * time.Minute: "89 minutes", 2 * time.Hour: "2 hours", 60 * time.Hour: "3 days"} {
		assert.Equal(t, want, en.Span(d))
	}
	for d, want := range map[time.Duration]string{90 * time.Minute: "1 hour 30 minutes", 24 * time.Hour: "24 hours",
		48 * time.Hour: "2 days", 7 * time.Second: "7 seconds", 0: "0 seconds"} {
		assert.Equal(t, want, en.Exactly(d))
	}
}
