package audit

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/access"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// written is the line of an event.
func written(t *testing.T, e Event) map[string]string {
	t.Helper()
	var out bytes.Buffer
	New(&out, true).Event(e)
	require.Equal(t, 1, strings.Count(out.String(), "\n"), "one line: %s", out.String())
	var line map[string]string
	require.NoError(t, json.Unmarshal(out.Bytes(), &line))
	return line
}

// whole has a value in every field.
func whole() Event {
	e := Event{}
	v := reflect.ValueOf(&e).Elem()
	for i := range v.NumField() {
		v.Field(i).SetString(v.Type().Field(i).Name)
	}
	return e
}

func TestALineHasWhatHappenedAndNothingElse(t *testing.T) {
	s := &v1alpha1.VDISession{}
	s.Name, s.Namespace, s.UID, s.Spec.User = "ada", "team", "1-2-3", "ada@example.com"
	line := written(t, Event{Event: Attach, User: "bob@example.com", Via: ViaShare, Role: access.Viewer, Share: "review", From: "192.0.2.7"}.Of(s))
	at, err := time.Parse(time.RFC3339Nano, line["time"])
	require.NoError(t, err)
	assert.Less(t, time.Since(at), time.Minute)
	assert.Equal(t, time.UTC, at.Location())
	delete(line, "time")
	assert.Equal(t, map[string]string{"audit": "v1", "event": "attach", "user": "bob@example.com", "via": "share", "session": "ada", "namespace": "team",
		"uid": "1-2-3", "owner": "ada@example.com", "role": "Viewer", "share": "review", "from": "192.0.2.7"}, line)
}

func TestEveryFieldIsWrittenUnderItsName(t *testing.T) {
	line, of := written(t, whole()), reflect.TypeFor[Event]()
	for i := range of.NumField() {
		assert.Equal(t, of.Field(i).Name, line[of.Field(i).Tag.Get("json")])
	}
	assert.Len(t, line, of.NumField()+len([]string{"audit", "time"}))
}

func TestAStrangersWordsStayOneShortLine(t *testing.T) {
	line := written(t, Event{Event: SignInRefused, User: "a\n{\"audit\":\"v1\"}" + strings.Repeat("ü", MaxBytes)})
	assert.LessOrEqual(t, len(line["user"]), MaxBytes)
	assert.True(t, strings.HasPrefix(line["user"], "a\n{"))
	assert.NotContains(t, line["user"], "\ufffd")
}

func TestSwitchedOffNothingIsWritten(t *testing.T) {
	var out bytes.Buffer
	New(&out, false).Event(whole())
	assert.Empty(t, out.String())
}

func TestThePageHasTheSchema(t *testing.T) {
	raw, err := os.ReadFile("../../docs/audit.md")
	require.NoError(t, err)
	page := string(raw)
	assert.Contains(t, page, "`audit` | `"+Version+"`")
	assert.ElementsMatch(t, slices.Collect(maps.Keys(written(t, whole()))), rows(page, "field"))
	assert.ElementsMatch(t, Kinds, typed[Kind](rows(page, "event")))
	assert.ElementsMatch(t, Vias, typed[Via](rows(page, "via")))
}

func typed[T ~string](words []string) (all []T) {
	for _, w := range words {
		all = append(all, T(w))
	}
	return all
}

// rows are the words in the first column of the table with that heading.
func rows(page, heading string) (words []string) {
	_, table, _ := strings.Cut(page, "| "+heading+" |")
	table, _, _ = strings.Cut(table, "\n\n")
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(table, -1) {
		words = append(words, row[1])
	}
	return words
}
