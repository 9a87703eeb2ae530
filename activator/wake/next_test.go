package wake

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/activator/record"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

func seconds(n float64) time.Time { return noon.Add(time.Duration(n * float64(time.Second))) }

func TestWhatIsWrittenNextAndWhen(t *testing.T) {
	at := func(n float64) *metav1.MicroTime { return &metav1.MicroTime{Time: seconds(n)} }
	session := func(status v1alpha1.VDISessionStatus) *v1alpha1.VDISession {
		status.ObservedGeneration = 1
		return &v1alpha1.VDISession{Status: status}
	}
	slept := func(reason string, n float64) *v1alpha1.VDISession {
		return session(v1alpha1.VDISessionStatus{SleepTime: at(n), SleepReason: reason})
	}
	awake := session(v1alpha1.VDISessionStatus{StartTime: at(-60)})
	created, idle := session(v1alpha1.VDISessionStatus{}), slept("IdleTimeout", -10)
	off, deleted, woken := created.DeepCopy(), created.DeepCopy(), idle.DeepCopy()
	off.Spec.Power = v1alpha1.PowerOff
	deleted.DeletionTimestamp = &metav1.Time{Time: noon}
	woken.Status.Activity = &v1alpha1.SessionActivity{LastWakeTime: at(-1)}

	// One who came at -5 s, after the sleep, and one who waits since before it.
	came := presence{connections: 1, waiting: 1, came: true, rested: seconds(-10), asked: seconds(-5)}
	waited := presence{connections: 1, waiting: 1, came: true, asked: seconds(-50)}
	served, page := waited, came
	served.waiting = 0
	page.connections, page.waiting, page.left = 0, 0, seconds(-1)
	typing := served
	typing.watching = 1
	watched := session(v1alpha1.VDISessionStatus{StartTime: at(-60), Activity: &v1alpha1.SessionActivity{LastWatchedTime: at(-50)}})
	before := session(v1alpha1.VDISessionStatus{StartTime: at(-60), Activity: &v1alpha1.SessionActivity{LastWatchedTime: at(-70)}})
	ahead := session(v1alpha1.VDISessionStatus{StartTime: at(-60), Activity: &v1alpha1.SessionActivity{LastWatchedTime: at(365 * 24 * 3600)}})
	watches := step{write: &record.Activity{Connected: noon, Watched: noon}}
	said := func(n float64) state { return state{reported: seconds(-5), watched: seconds(n)} }
	left := func(n float64) presence { return presence{left: seconds(n)} }
	reported := func(n float64) state { return state{reported: seconds(n)} }
	ours := func(n float64) state { return state{reported: seconds(n), stamp: seconds(n), woke: seconds(n)} }
	wakes := func(asked float64) step {
		return step{write: &record.Activity{Wake: noon, Connected: noon}, asked: seconds(asked)}
	}
	reports := func(n float64) step { return step{write: &record.Activity{Connected: seconds(n)}} }
	gone := wakes(-5)
	gone.write.Connected = seconds(-1)
	again := func(n float64) step { return step{again: seconds(n)} }

	for name, tc := range map[string]struct {
		session *v1alpha1.VDISession
		is      presence
		done    state
		want    step
	}{
		"awake and never reported":                      {awake, served, state{}, reports(0)},
		"awake and reported":                            {awake, served, reported(-5), again(15)},
		"awake and reported long ago":                   {awake, served, reported(-20), reports(0)},
		"a report failed":                               {awake, served, reported(-20).failed(seconds(-0.25)), again(0.25)},
		"a report failed long ago":                      {awake, served, reported(-20).failed(seconds(-1)), reports(0)},
		"the first visitor":                             {created, waited, state{}, wakes(-50)},
		"a visitor of a desktop that was idle":          {idle, came, reported(-5), wakes(-5)},
		"its page is gone already":                      {idle, page, reported(-5), gone},
		"a wake failed":                                 {idle, came, reported(-5).failed(seconds(-0.25)), again(0.25)},
		"somebody woke it":                              {woken, came, reported(-5), again(15)},
		"we woke it, and the record does not show that": {idle, came, ours(-1), again(4)},
		"our wake was overwritten":                      {idle, came, ours(-5), wakes(-5)},
		"it slept after our wake":                       {idle, came, ours(-11), wakes(-5)},
		"a clock ended who waited":                      {idle, waited, reported(-5), again(15)},
		"nobody was seen, but somebody waits":           {slept("DisconnectTimeout", -10), waited, reported(-5), wakes(0)},
		"nobody was seen, and the one here is served":   {slept("DisconnectTimeout", -10), served, reported(-5), again(15)},
		"switched off":                                  {off, waited, reported(-5), again(15)},
		"being deleted":                                 {deleted, waited, reported(-5), again(15)},
		"input is seen, and nothing watches":            {awake, typing, reported(-5), watches},
		"input is seen, and something watched before":   {before, typing, reported(-5), watches},
		"input is seen, and was by a clock ahead":       {ahead, typing, reported(-5), watches},
		"that input is seen was not written":            {awake, typing, reported(-5).failed(seconds(-0.25)), again(0.25)},
		"that input is seen was just written":           {awake, typing, said(-1), again(15)},
		"that input is seen was written before it woke": {awake, typing, said(-61), watches},
		"input is seen, as the record says":             {watched, typing, reported(-5), again(15)},
		"input is seen of what sleeps":                  {idle, typing, reported(-5), again(15)},
		"the last one has just left":                    {awake, left(-1), reported(-5), again(2)},
		"a report is due after the last one left":       {awake, left(-1), reported(-20), reports(-1)},
		"the last one left long ago":                    {awake, left(-3), reported(-5), step{end: true}},
	} {
		t.Run(name, func(t *testing.T) {
			got := next(noon, tc.session, tc.is, tc.done)
			if got.end != tc.want.end || !got.again.Equal(tc.want.again) || (got.write == nil) != (tc.want.write == nil) {
				t.Fatalf("next is %+v, want %+v", got, tc.want)
			}
			if got.write == nil {
				return
			}
			assert.Equal(t, *tc.want.write, *got.write, "writes")
			assert.False(t, !got.write.Wake.IsZero() && !got.asked.Equal(tc.want.asked),
				"the wake was asked for at %s, want %s", got.asked, tc.want.asked)
		})
	}
}

func TestAWakeIsWaitedForFromTheEndOfItsWrite(t *testing.T) {
	wake := &record.Activity{Wake: noon, Connected: noon}
	got := state{retry: noon}.wrote(wake, noon, seconds(9))
	assert.Equal(t, (state{reported: noon, retry: noon, stamp: noon, woke: seconds(9)}), got, "the state")
	after := got.wrote(&record.Activity{Connected: seconds(20)}, seconds(20), seconds(21))
	require.Equal(t, noon, after.stamp)
	assert.Equal(t, seconds(9), after.woke, "a report changed the last wake: %+v", after)
}
