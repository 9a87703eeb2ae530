package wake

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/activator/record"
)

// told is who is connected by what was written last.
func told(t *testing.T, writes []record.Activity) (who []string) {
	t.Helper()
	require.NotEmpty(t, writes)
	last := writes[len(writes)-1]
	require.NotNil(t, last.Present)
	for _, p := range last.Present.People {
		who = append(who, p.User+p.Share+" "+p.Role)
	}
	return who
}

func TestReportsSayWhoIsConnectedAndAreNoMore(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.wakes()
		came := time.Now()
		ada := w.Attend(w.session, "ada", "", "Owner", true)
		first := w.written()
		assert.Len(t, first, 1)
		assert.Equal(t, []string{"ada Owner"}, told(t, first))
		assert.True(t, first[0].Present.People[0].Since.Time.Equal(came))
		time.Sleep(time.Second)
		again, bob := w.Attend(w.session, "ada", "", "Owner", true), w.Attend(w.session, "", "review", "Viewer", false)
		w.Enter(w.session).Leave() // a request of a page
		assert.Empty(t, w.written(), "who comes is said with the next report")
		time.Sleep(reportEvery)
		next := w.written()
		assert.Len(t, next, 1)
		assert.Equal(t, []string{"ada Owner", "review Viewer"}, told(t, next))
		again.Leave()
		bob.Leave()
		bob.Leave() // leaving twice is leaving once
		time.Sleep(reportEvery)
		assert.Equal(t, []string{"ada Owner"}, told(t, w.written()), "one of two connections ended")
		ada.Leave()
		time.Sleep(lingerFor + time.Millisecond)
		assert.Empty(t, told(t, w.written()))
		synctest.Wait()
		assert.Empty(t, w.sessions[alice].people)
	})
}

func TestWhoOnlyLooksIsNamedAndKeepsNothingAwake(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.wakes()
		bob := w.Attend(w.session, "bob", "", "Viewer", false)
		for range 3 {
			writes := w.written()
			assert.Len(t, writes, 1, "a write each reportEvery")
			assert.Equal(t, []string{"bob Viewer"}, told(t, writes))
			assert.True(t, writes[0].Connected.IsZero() && writes[0].Wake.IsZero(), "a viewer was taken for somebody who keeps it awake")
			time.Sleep(reportEvery)
		}
		w.written()
		ada := w.Attend(w.session, "ada", "", "Owner", true)
		time.Sleep(reportEvery)
		w.written()
		time.Sleep(time.Second)
		left := time.Now()
		ada.Leave()
		time.Sleep(lingerFor)
		writes := w.written()
		assert.Len(t, writes, 1)
		assert.True(t, writes[0].Connected.Equal(left), "the disconnect timeout runs from when the last one left who was not a viewer")
		assert.Equal(t, []string{"bob Viewer"}, told(t, writes))
		bob.Leave()
		assert.Empty(t, told(t, w.written()))
		time.Sleep(time.Hour)
		assert.Empty(t, w.written(), "written though nobody is there")
	})
}
