package installation

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

type shown map[string]string

func (s shown) Condition(t string, isTrue bool) {
	s[t] = map[bool]string{true: "1", false: "0"}[isTrue]
}
func (s shown) ConditionUnknown(t string) { delete(s, t) }

func reasons(conditions []metav1.Condition) (all []string) {
	for _, c := range conditions {
		all = append(all, c.Type+" "+string(c.Status)+" "+c.Reason)
	}
	return all
}

func TestWhatIsKnownIsLaidOverWhatTheLeaderBeforeTold(t *testing.T) {
	metrics := shown{}
	c := NewConditions(metrics, DefinitionsPresent, KnativeReady, KnativeConfigured)
	r := &Reporter{Conditions: c}
	before, now := metav1.NewTime(time.Unix(1, 0)), metav1.NewTime(time.Unix(2, 0))
	was := func(t string, status metav1.ConditionStatus, reason string) metav1.Condition {
		return metav1.Condition{Type: t, Status: status, Reason: reason, LastTransitionTime: before}
	}
	told := []metav1.Condition{
		was("Obsolete", "False", "Whatever"),       // no condition any more
		was(KnativeReady, "False", "NotReady"),     // not known yet
		was(DefinitionsPresent, "True", "Present"), // the same
		was(KnativeConfigured, "False", "Refused"), // the same status, another reason
	}
	c.Set(DefinitionsPresent, metav1.ConditionTrue, "Present", "all there")
	c.Set(KnativeConfigured, metav1.ConditionFalse, "Conflict", "somebody's\n")
	next, turned := r.merge(told, now)
	if got, want := reasons(next), []string{"DefinitionsPresent True Present", "KnativeConfigured False Conflict", "KnativeReady False NotReady"}; !slices.Equal(got, want) {
		t.Errorf("have %q, want %q", got, want)
	}
	if got, want := reasons(turned), []string{"KnativeConfigured False Conflict"}; !slices.Equal(got, want) {
		t.Errorf("turned %q, want %q", got, want)
	}
	if next[1].Message != "somebody's" {
		t.Errorf("message %q", next[1].Message)
	}
	for _, condition := range next {
		if condition.LastTransitionTime != before {
			t.Errorf("%s changed its status at %s", condition.Type, condition.LastTransitionTime)
		}
	}
	c.Set(KnativeConfigured, metav1.ConditionTrue, "AsNeeded", "")
	c.Set(KnativeReady, metav1.ConditionUnknown, "Unreadable", "")
	next, _ = r.merge(next, now)
	for _, condition := range next {
		if changed := condition.LastTransitionTime == now; changed != (condition.Type != DefinitionsPresent) {
			t.Errorf("%s changed its status at %s", condition.Type, condition.LastTransitionTime)
		}
	}
	if metrics[KnativeConfigured] != "1" || metrics[DefinitionsPresent] != "1" || metrics[KnativeReady] != "" {
		t.Errorf("metrics %v", metrics)
	}
}

func TestOnlyAChangeIsASignal(t *testing.T) {
	c := NewConditions(shown{}, KnativeReady)
	signal := func() bool {
		select {
		case <-c.changed:
			return true
		default:
			return false
		}
	}
	for i, want := range []bool{true, false} {
		c.Set(KnativeReady, metav1.ConditionTrue, "Ready", "1.23")
		if got := signal(); got != want {
			t.Errorf("signal %d: %t", i, got)
		}
	}
	c.Set(KnativeReady, metav1.ConditionTrue, "Ready", "1.24")
	if !signal() {
		t.Error("another message is no signal")
	}
}

func TestAnEventTakesNoMoreThanItCan(t *testing.T) {
	if got := EventNote("short"); got != "short" {
		t.Errorf("have %q", got)
	}
	for n := range 4 {
		long := strings.Repeat("x", n) + strings.Repeat("ü", noteBytes)
		if got := EventNote(long); len(got) > noteBytes || len(got) < noteBytes-8 || !utf8.ValidString(got) || !strings.HasSuffix(got, " …") {
			t.Errorf("%d bytes: …%q", len(got), got[len(got)-9:])
		}
	}
}
