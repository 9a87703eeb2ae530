package installation

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

type shown map[string]string

func (s shown) Condition(t string, status metav1.ConditionStatus) {
	delete(s, t)
	if status != metav1.ConditionUnknown {
		s[t] = map[metav1.ConditionStatus]string{metav1.ConditionTrue: "1", metav1.ConditionFalse: "0"}[status]
	}
}

func reasons(conditions []metav1.Condition) (all []string) {
	for _, c := range conditions {
		all = append(all, c.Type+" "+string(c.Status)+" "+c.Reason)
	}
	return all
}

func TestWhatIsKnownIsLaidOverWhatTheLeaderBeforeTold(t *testing.T) {
	metrics := shown{}
	c := NewConditions(metrics, v1alpha1.ConditionDefinitionsPresent, v1alpha1.ConditionKnativeReady, v1alpha1.ConditionKnativeConfigured)
	r := &Reporter{Conditions: c}
	before, now := metav1.NewTime(time.Unix(1, 0)), metav1.NewTime(time.Unix(2, 0))
	was := func(t string, status metav1.ConditionStatus, reason string) metav1.Condition {
		return metav1.Condition{Type: t, Status: status, Reason: reason, LastTransitionTime: before}
	}
	told := []metav1.Condition{
		was("Obsolete", "False", "Whatever"),                                      // no condition any more
		was(v1alpha1.ConditionKnativeReady, "False", v1alpha1.ReasonNotReady),     // not known yet
		was(v1alpha1.ConditionDefinitionsPresent, "True", v1alpha1.ReasonPresent), // the same
		was(v1alpha1.ConditionKnativeConfigured, "False", v1alpha1.ReasonRefused), // the same status, another reason
	}
	c.Set(v1alpha1.ConditionDefinitionsPresent, metav1.ConditionTrue, v1alpha1.ReasonPresent, "all there")
	c.Set(v1alpha1.ConditionKnativeConfigured, metav1.ConditionFalse, v1alpha1.ReasonConflict, "somebody's\n")
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
	c.Set(v1alpha1.ConditionKnativeConfigured, metav1.ConditionTrue, v1alpha1.ReasonAsNeeded, "")
	c.Set(v1alpha1.ConditionKnativeReady, metav1.ConditionUnknown, v1alpha1.ReasonUnreadable, "")
	next, _ = r.merge(next, now)
	for _, condition := range next {
		if changed := condition.LastTransitionTime == now; changed != (condition.Type != v1alpha1.ConditionDefinitionsPresent) {
			t.Errorf("%s changed its status at %s", condition.Type, condition.LastTransitionTime)
		}
	}
	if metrics[v1alpha1.ConditionKnativeConfigured] != "1" || metrics[v1alpha1.ConditionDefinitionsPresent] != "1" || metrics[v1alpha1.ConditionKnativeReady] != "" {
		t.Errorf("metrics %v", metrics)
	}
}

func TestOnlyAChangeIsASignal(t *testing.T) {
	c := NewConditions(shown{}, v1alpha1.ConditionKnativeReady)
	signal := func() bool {
		select {
		case <-c.changed:
			return true
		default:
			return false
		}
	}
	for i, want := range []bool{true, false} {
		c.Set(v1alpha1.ConditionKnativeReady, metav1.ConditionTrue, v1alpha1.ReasonReady, "1.23")
		if got := signal(); got != want {
			t.Errorf("signal %d: %t", i, got)
		}
	}
	c.Set(v1alpha1.ConditionKnativeReady, metav1.ConditionTrue, v1alpha1.ReasonReady, "1.24")
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
