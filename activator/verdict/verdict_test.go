package verdict

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestVerdictsAreShortAndBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := New()
		at := Upgrade{Session: "1", Run: Run{Pod: "p"}, Path: "/api/webrtc/signaling/"}
		v.Remember(at, http.StatusConflict)
		time.Sleep(keptFor - 1)
		if got := v.Recall(at); got != http.StatusConflict {
			t.Errorf("recalled %d within the time", got)
		}
		time.Sleep(2 * time.Nanosecond)
		if got := v.Recall(at); got != 0 || len(v.refused.Keys()) != 0 {
			t.Errorf("recalled %d after the time, %d kept", got, len(v.refused.Keys()))
		}
		v.Remember(Upgrade{Path: strings.Repeat("/", maxPath+1)}, http.StatusConflict)
		if len(v.refused.Keys()) != 0 {
			t.Error("a path of any length is kept")
		}
		for i := range maxVerdicts + 10 {
			v.Remember(Upgrade{Path: fmt.Sprint(i)}, http.StatusConflict)
		}
		if n := len(v.refused.Keys()); n > maxVerdicts {
			t.Errorf("%d are kept, want at most %d", n, maxVerdicts)
		}
	})
}

func TestAnAnswerThatMayBeAnotherInAMomentIsNoVerdict(t *testing.T) {
	v := New()
	for _, status := range []int{0, 200, 400, 426, 429, 500, 502, 503, 504} {
		v.Remember(Upgrade{Path: "/"}, status)
	}
	if n := len(v.refused.Keys()); n != 0 {
		t.Errorf("%d answers are remembered that are no verdicts", n)
	}
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
		if got := v.MayStillCome(tc.at, tc.status, within, now); got != tc.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	v.Took(old)
	v.Took(young)
	if v.MayStillCome(young, 404, within, now) {
		t.Error("it took an upgrade")
	}
	v.BrokeOff(old, now)
	if !v.MayStillCome(old, 404, within, now.Add(time.Second)) || v.MayStillCome(old, 404, within, now.Add(time.Hour)) {
		t.Error("it broke off, and may start again behind its web server, but not for ever")
	}
	if !v.MayStillCome(Run{"p", now}, 404, within, now) {
		t.Error("its container has started again")
	}
}
