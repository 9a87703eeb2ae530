package text

import (
	"regexp"
	"slices"
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
	require.Len(t, Tongues, 2)
	assert.Equal(t, "en", Tongues[0].Tag.String(), "what holds for those who ask for neither")
	for key, forms := range Tongues[0].texts {
		for _, other := range Tongues {
			require.NotEmpty(t, other.texts[key]["other"], "%s lacks %s", other.Tag, key)
			for form, said := range other.texts[key] {
				assert.Equal(t, names(forms["other"]), names(said), "%s in %s, %s", key, other.Tag, form)
			}
		}
	}
	for _, other := range Tongues {
		assert.Len(t, other.texts, len(Tongues[0].texts), other.Tag)
	}
}

func TestNumbersAndTimesAreWrittenAsInTheLanguage(t *testing.T) {
	en, de, now := Tongues[0], Tongues[1], time.Now()
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
