package shell

import (
	"encoding/json"
	"net/http"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/wake"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// State is what a waiting page does next.
type State string

// The states.
const (
	// StateWaiting: keep waiting.
	StateWaiting State = "waiting"
	// StateReady: the desktop accepts connections; load it.
	StateReady State = "ready"
	// StateFailed: it did not start; offer to try again.
	StateFailed State = "failed"
	// StateAsleep: a clock put it to sleep; offer to wake it.
	StateAsleep State = "asleep"
	// StateOff: an administrator switched it off; load the page that says so.
	StateOff State = "off"
)

// Status is a session as its own visitor may see it.
type Status struct {
	State State          `json:"state"`
	Phase v1alpha1.Phase `json:"phase"`
	// Message is a sentence on what the desktop waits for or why it failed.
	Message string `json:"message"`
	// Timeline holds the latest cold start: Unix time in milliseconds by stage;
	// "requested" is the visitor's request.
	Timeline map[string]int64 `json:"timeline,omitempty"`
}

// Describe builds the status. ready says that the desktop accepts connections.
func Describe(v directory.View, ready, sleptByClock bool, stamps wake.Stamps) Status {
	s := Status{State: StateWaiting, Phase: v.Session.Status.Phase, Message: v.Session.Status.Message, Timeline: timeline(stamps)}
	switch {
	case v.Session.Spec.Power == v1alpha1.PowerOff:
		s.State = StateOff
	case ready:
		s.State = StateReady
	case sleptByClock && v.Session.Status.Phase == v1alpha1.PhaseFailed:
		s.State = StateFailed
	case sleptByClock:
		s.State = StateAsleep
	case s.Message == "" || v.Session.Status.Phase == v1alpha1.PhaseAsleep:
		s.Message = progress(v.Pod)
	}
	return s
}

func progress(p *directory.Pod) string {
	switch {
	case p == nil || !p.Scheduled:
		return textWaking
	case !p.Started:
		return textScheduled
	}
	return textStarted
}

func timeline(s wake.Stamps) map[string]int64 {
	if s.Requested.IsZero() {
		return nil
	}
	out := map[string]int64{"requested": s.Requested.UnixMilli()}
	for stage, at := range s.Seen {
		out[string(stage)] = at.UnixMilli()
	}
	return out
}

// WriteStatus sends a status as JSON.
func WriteStatus(w http.ResponseWriter, s Status) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(s)
}
