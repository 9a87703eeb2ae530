package pages

import (
	_ "embed"
	"fmt"
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

// text is a sentence in one language, by CLDR's plural form; "other" is always there.
type text map[string]string

// tongue is a language that the pages speak.
type tongue struct {
	Tag     language.Tag
	texts   map[string]text
	numbers *message.Printer
}

// tongues are all of them; the first is what holds for a person who asks for none of them.
var tongues, asked = readTongues(textFile)

// readTongues panics on a file that no page could be made of: it is compiled in.
func readTongues(raw []byte) ([]*tongue, language.Matcher) {
	var file map[string]map[string]any
	if err := yaml.UnmarshalStrict(raw, &file); err != nil {
		panic(err)
	}
	byTag := map[string]*tongue{}
	for key, languages := range file {
		for tag, said := range languages {
			if byTag[tag] == nil {
				t, err := language.Parse(tag)
				if err != nil {
					panic(fmt.Errorf("texts.yaml: %s: %q is no language: %w", key, tag, err))
				}
				byTag[tag] = &tongue{Tag: t, texts: map[string]text{}, numbers: message.NewPrinter(t)}
			}
			byTag[tag].texts[key] = forms(said)
		}
	}
	all := make([]*tongue, 0, len(byTag))
	for _, t := range byTag {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b *tongue) int {
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

func forms(said any) text {
	if plain, is := said.(string); is {
		return text{"other": plain}
	}
	all := text{}
	for form, of := range said.(map[string]any) {
		all[form] = of.(string)
	}
	return all
}

// tongueOf is the language that a browser asks for.
func tongueOf(r *http.Request) *tongue {
	wants, _, err := language.ParseAcceptLanguage(r.Header.Get("Accept-Language"))
	if err != nil {
		return tongues[0]
	}
	_, i, _ := asked.Match(wants...)
	return tongues[i]
}

// Has says that there is such a text.
func (t *tongue) Has(key string) bool { return t.texts[key] != nil }

// Say is the text of a key, with what its {names} stand for: names and values in turn.
func (t *tongue) Say(key string, with ...any) string {
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
	sentence := said[form]
	if sentence == "" {
		sentence = said["other"]
	}
	return strings.NewReplacer(fill...).Replace(sentence)
}

func (t *tongue) form(n int) string {
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
func (t *tongue) Number(n float64) string {
	return t.numbers.Sprint(number.Decimal(n, number.MaxFractionDigits(2)))
}

// Size is a number of bytes.
func (t *tongue) Size(q resource.Quantity) string {
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
func (t *tongue) Span(d time.Duration) string {
	unit, n := rough(d)
	return t.Say("span."+unit, "n", n)
}

// Exactly is a length of time that somebody has set: 1 hour 30 minutes.
func (t *tongue) Exactly(d time.Duration) string {
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
func (t *tongue) Relative(at, now time.Time) string {
	d, way := at.Sub(now), "in."
	if d <= 0 {
		d, way = -d, "ago."
	}
	unit, n := rough(d)
	return t.Say(way+unit, "n", n)
}

// Date is a moment for people whose browser runs no script, which would say it by their clock.
func (t *tongue) Date(at time.Time) string { return at.UTC().Format(t.Say("date")) }
