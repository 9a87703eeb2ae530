package installation

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
	got, want := reasons(turned), []string{"KnativeConfigured False Conflict"}
	assert.Equal(t, want, got, "turned")
	assert.Equal(t, "somebody's", next[1].Message, "message")
	for _, condition := range next {
		assert.Equal(t, before, condition.LastTransitionTime, "%s changed its status", condition.Type)
	}
	c.Set(v1alpha1.ConditionKnativeConfigured, metav1.ConditionTrue, v1alpha1.ReasonAsNeeded, "")
	c.Set(v1alpha1.ConditionKnativeReady, metav1.ConditionUnknown, v1alpha1.ReasonUnreadable, "")
	next, _ = r.merge(next, now)
	for _, condition := range next {
		assert.Equal(t, condition.Type != v1alpha1.ConditionDefinitionsPresent, condition.LastTransitionTime == now,
			"%s changed its status at %s", condition.Type, condition.LastTransitionTime)
	}
	require.Equal(t, "1", metrics[v1alpha1.ConditionKnativeConfigured])
	require.Equal(t, "1", metrics[v1alpha1.ConditionDefinitionsPresent])
	assert.Empty(t, metrics[v1alpha1.ConditionKnativeReady], "metrics %v", metrics)
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
		assert.Equal(t, want, signal(), "signal %d", i)
	}
	c.Set(v1alpha1.ConditionKnativeReady, metav1.ConditionTrue, v1alpha1.ReasonReady, "1.24")
	assert.True(t, signal(), "another message is no signal")
}

func TestAnEventTakesNoMoreThanItCan(t *testing.T) {
	assert.Equal(t, "short", EventNote("short"))
	for n := range 4 {
		long := strings.Repeat("x", n) + strings.Repeat("ü", noteBytes)
		if got := EventNote(long); len(got) > noteBytes || len(got) < noteBytes-8 || !utf8.ValidString(got) || !strings.HasSuffix(got, " …") {
			t.Errorf("%d bytes: …%q", len(got), got[len(got)-9:])
		}
	}
}
