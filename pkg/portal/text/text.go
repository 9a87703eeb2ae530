// Package text is what people read on the portal's pages, in every language that they speak.
package text

import (
	_ "embed"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/number"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"
)

//go:embed texts.yaml
var textFile []byte

// sentence is one in one language, by CLDR's plural form; "other" is always there.
type sentence map[string]string

// Tongue is a language that the pages speak.
type Tongue struct {
	Tag     language.Tag
	texts   map[string]sentence
	numbers *message.Printer
}

// Tongues are all of them; the first is what holds for a person who asks for none of them.
var Tongues, asked = readTongues(textFile)

// readTongues panics on a file that no page could be made of: it is compiled in.
func readTongues(raw []byte) ([]*Tongue, language.Matcher) {
	var file map[string]map[string]any
	if err := yaml.UnmarshalStrict(raw, &file); err != nil {
		panic(err)
	}
	byTag := map[string]*Tongue{}
	for key, languages := range file {
		for tag, said := range languages {
			if byTag[tag] == nil {
				t, err := language.Parse(tag)
				if err != nil {
					panic(fmt.Errorf("texts.yaml: %s: %q is no language: %w", key, tag, err))
				}
				byTag[tag] = &Tongue{Tag: t, texts: map[string]sentence{}, numbers: message.NewPrinter(t)}
			}
			byTag[tag].texts[key] = forms(said)
		}
	}
	all := make([]*Tongue, 0, len(byTag))
	for _, t := range byTag {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b *Tongue) int {
		if a.Tag == language.English || b.Tag == language.English {
			return map[bool]int{true: -1, false: 1}[a.Tag == language.English]
		}
		return strings.Compare(a.Tag.String(), b.Tag.String())
	})
	tags := make([]language.Tag, len(all))
	for i, t := range all {
		tags[i] = t.Tag
	}
	return all, language.NewMatcher(tags)
}

func forms(said any) sentence {
	if plain, is := said.(string); is {
		return sentence{"other": plain}
	}
	all := sentence{}
	for form, of := range said.(map[string]any) {
		all[form] = of.(string)
	}
	return all
}

// Of is the language that a browser asks for.
func Of(r *http.Request) *Tongue {
	wants, _, err := language.ParseAcceptLanguage(r.Header.Get("Accept-Language"))
	if err != nil {
		return Tongues[0]
	}
	_, i, _ := asked.Match(wants...)
	return Tongues[i]
}

// Keys are those of all texts.
func (t *Tongue) Keys() []string { return slices.Sorted(maps.Keys(t.texts)) }

// Has says that there is such a text.
func (t *Tongue) Has(key string) bool { return t.texts[key] != nil }

// Say is the text of a key, with what its {names} stand for: names and values in turn.
func (t *Tongue) Say(key string, with ...any) string {
	said := t.texts[key]
	if said == nil {
		return key // which a test looks for
	}
	form := "other"
	fill := make([]string, 0, len(with))
	for i := 0; i+1 < len(with); i += 2 {
		name, value := with[i].(string), with[i+1]
		if n, is := value.(int); is {
			if name == "n" {
				form = t.form(n)
			}
			value = t.Number(float64(n))
		}
		fill = append(fill, "{"+name+"}", fmt.Sprint(value))
	}
	words := said[form]
	if words == "" {
		words = said["other"]
	}
	return strings.NewReplacer(fill...).Replace(words)
}

func (t *Tongue) form(n int) string {
	switch plural.Cardinal.MatchPlural(t.Tag, n%10_000_000, 0, 0, 0, 0) {
	case plural.Zero:
		return "zero"
	case plural.One:
		return "one"
	case plural.Two:
		return "two"
	case plural.Few:
		return "few"
	case plural.Many:
		return "many"
	}
	return "other"
}

// Number is a number as the language writes it, with two decimals at most.
func (t *Tongue) Number(n float64) string {
	return t.numbers.Sprint(number.Decimal(n, number.MaxFractionDigits(2)))
}

// Size is a number of bytes.
func (t *Tongue) Size(q resource.Quantity) string {
	units, n := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}, q.AsApproximateFloat64()
	unit := 0
	for n >= 1024 && unit < len(units)-1 {
		n, unit = n/1024, unit+1
	}
	return t.Number(n) + "\u00a0" + units[unit]
}

const day = 24 * time.Hour

// rough is a length of time as people say it roughly: the unit's name and how many.
func rough(d time.Duration) (unit string, n int) {
	round := func(size time.Duration) int { return int(math.Round(float64(d) / float64(size))) }
	switch {
	case d < time.Minute:
		return "moment", 0
	case d < 90*time.Minute:
		return "minutes", round(time.Minute)
	case d < 2*day:
		return "hours", round(time.Hour)
	}
	return "days", round(day)
}

// Span is a length of time, roughly.
func (t *Tongue) Span(d time.Duration) string {
	unit, n := rough(d)
	return t.Say("span."+unit, "n", n)
}

// Exactly is a length of time that somebody has set: 1 hour 30 minutes.
func (t *Tongue) Exactly(d time.Duration) string {
	var parts []string
	for _, unit := range []struct {
		name string
		size time.Duration
	}{{"days", day}, {"hours", time.Hour}, {"minutes", time.Minute}, {"seconds", time.Second}} {
		// A day is said as 24 hours, as in the settings.
		if unit.size == day && d < 2*day {
			continue
		}
		if n := int(d / unit.size); n > 0 {
			parts, d = append(parts, t.Say("span."+unit.name, "n", n)), d%unit.size
		}
	}
	if len(parts) == 0 {
		return t.Say("span.seconds", "n", 0)
	}
	return strings.Join(parts, " ")
}

// Relative is a moment seen from now: 3 hours ago, in 2 days.
func (t *Tongue) Relative(at, now time.Time) string {
	d, way := at.Sub(now), "in."
	if d <= 0 {
		d, way = -d, "ago."
	}
	unit, n := rough(d)
	return t.Say(way+unit, "n", n)
}

// Date is a moment for people whose browser runs no script, which would say it by their clock.
func (t *Tongue) Date(at time.Time) string { return at.UTC().Format(t.Say("date")) }
