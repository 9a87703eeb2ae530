package verdict

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestVerdictsAreShortAndBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := New()
		at := Upgrade{Session: "1", Run: Run{Pod: "p"}, Path: "/api/webrtc/signaling/"}
		v.Remember(at, http.StatusConflict)
		time.Sleep(keptFor - 1)
		assert.Equal(t, http.StatusConflict, v.Recall(at), "recalled within the time")
		time.Sleep(2 * time.Nanosecond)
		require.Equal(t, 0, v.Recall(at))
		v.Remember(Upgrade{Path: strings.Repeat("/", maxPath+1)}, http.StatusConflict)
		assert.Empty(t, v.refused.Keys(), "a path of any length is kept")
		for i := range maxVerdicts + 10 {
			v.Remember(Upgrade{Path: fmt.Sprint(i)}, http.StatusConflict)
		}
		assert.LessOrEqual(t, len(v.refused.Keys()), maxVerdicts, "are kept")
	})
}

func TestAnAnswerThatMayBeAnotherInAMomentIsNoVerdict(t *testing.T) {
	v := New()
	for _, status := range []int{0, 200, 400, 426, 429, 500, 502, 503, 504} {
		v.Remember(Upgrade{Path: "/"}, status)
	}
	assert.Equal(t, 0, len(v.refused.Keys()), "answers are remembered that are no verdicts")
}

func TestA404IsBelievedToBeAStartForAsLongAsOneTakes(t *testing.T) {
	now := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	v := New()
	young, old := Run{"p", now.Add(-time.Minute)}, Run{"q", now.Add(-time.Hour)}
	within := 10 * time.Minute
	for name, tc := range map[string]struct {
		at     Run
		status int
		want   bool
	}{
		"a container that began just now": {young, 404, true}, "one that began long ago": {old, 404, false},
		"one of which nothing is known": {Run{Pod: "r"}, 404, true}, "another answer": {young, 403, false},
	} {
		assert.Equal(t, tc.want, v.MayStillCome(tc.at, tc.status, within, now), name)
	}
	v.Took(old)
	v.Took(young)
	assert.False(t, v.MayStillCome(young, 404, within, now), "it took an upgrade")
	v.BrokeOff(old, now)
	require.True(t, v.MayStillCome(old, 404, within, now.Add(time.Second)))
	assert.False(t, v.MayStillCome(old, 404, within, now.Add(time.Hour)),
		"it broke off, and may start again behind its web server, but not for ever")
	assert.True(t, v.MayStillCome(Run{"p", now}, 404, within, now), "its container has started again")
}
