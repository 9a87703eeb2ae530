package page

import (
	"cmp"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/viewer"
	"github.com/org/vdi-operator/activator/wake"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// State is what a page shows.
type State string

// The states.
const (
	// StateWaiting: progress, until the desktop is there.
	StateWaiting State = "waiting"
	// StateReady: the desktop accepts connections; show it.
	StateReady State = "ready"
	// StateFailed: it did not start; offer to try again.
	StateFailed State = "failed"
	// StateAsleep: a clock or somebody put it to sleep; offer to wake it.
	StateAsleep State = "asleep"
	// StateOff: an administrator switched it off; say so.
	StateOff State = "off"
	// StateElsewhere: another page shows it, and it can be shown once; offer to take it
	// over.
	StateElsewhere State = "elsewhere"
	// StateAway: it is asleep, and the visitor may not wake it; it is shown once somebody does.
	StateAway State = "away"
	// StateEnded: what let the visitor in has ended.
	StateEnded State = "ended"
)

// Step is how far a start has come, for programs; Message says it to people.
type Step string

// The steps, in their order.
const (
	// StepWaking: the wake was asked for.
	StepWaking Step = "waking"
	// StepPlace: its pod waits for a node, and so perhaps for a GPU.
	StepPlace Step = "place"
	// StepImage: its node prepares image and volumes.
	StepImage Step = "image"
	// StepStarting: its container runs.
	StepStarting Step = "starting"
	// StepConnecting: its port accepts; the desktop's page is about to be shown.
	StepConnecting Step = "connecting"
)

// Status is a session as its own visitor may see it.
type Status struct {
	State State          `json:"state"`
	Step  Step           `json:"step,omitempty"`
	Phase v1alpha1.Phase `json:"phase"`
	// Summary says what the desktop waits for, why it failed or why it sleeps; Detail says
	// more, in the words of the operator and the cluster. Message is both.
	Message string `json:"message"`
	// Title heads the page where the visitor may not go on.
	Title   string `json:"title,omitempty"`
	Summary string `json:"summary"`
	Detail  string `json:"detail,omitempty"`
	// Blocked says that a start waits for somebody to change something.
	Blocked bool `json:"blocked,omitempty"`
	// Resting says that the desktop dozes and is about to be back.
	Resting bool `json:"resting,omitempty"`
	// Early says that the page may load its frame although the desktop is not there:
	// its client was kept from an earlier visit. Image names the image that the client
	// belongs to; under another name the frame is loaded again.
	Early bool   `json:"early,omitempty"`
	Image string `json:"image,omitempty"`
	// Viewing says whether this page may show the desktop.
	Viewing viewer.Viewing `json:"viewing,omitempty"`
	// WaitedMillis is how long the present start has taken so far, UsuallyMillis how
	// long starts of this template take; 0 is unknown.
	WaitedMillis  int64 `json:"waitedMillis,omitempty"`
	UsuallyMillis int64 `json:"usuallyMillis,omitempty"`
	// ReportMillis is how often the page reports input, at most.
	ReportMillis int64 `json:"reportMillis"`
	// Sleep is the next clock that puts the desktop to sleep, while it is there.
	Sleep *Sleep `json:"sleep,omitempty"`
	// Timeline holds the latest cold start: Unix time in milliseconds by stage;
	// "requested" is the visitor's request.
	Timeline map[string]int64 `json:"timeline,omitempty"`
}

// Sleep is a sleep that is due. Times are relative, since browsers' clocks are wrong.
type Sleep struct {
	Reason lifecycle.Reason `json:"reason"`
	// Text warns of it; Postponable says that input postpones it.
	Text        string `json:"text"`
	Postponable bool   `json:"postponable,omitempty"`
	// InMillis is when, and WarnMillis how long before that the page warns.
	InMillis   int64 `json:"inMillis"`
	WarnMillis int64 `json:"warnMillis"`
	// at tells two sleeps apart that differ in their moment only.
	at time.Time
}

// Facts are what a status is made of.
type Facts struct {
	directory.View
	Now time.Time
	// Reachable says that the desktop accepts connections.
	Reachable bool
	Stamps    wake.Stamps
	// Usually is how long starts of this template take; 0 is unknown.
	Usually time.Duration
	Early   bool
	Image   string
	Viewing viewer.Viewing
	// Waits says that the visitor may not wake the desktop.
	Waits bool
}

// Ended is the status of somebody who may not go on.
func Ended(why *closing.Refusal) Status {
	return Status{State: StateEnded, Title: why.Title, Summary: why.Text, Message: why.Text}
}

// Describe makes the status.
func Describe(f Facts) Status {
	st := &f.Session.Status
	policy, needsPerson := lifecycle.EffectivePolicy(st.Lifecycle), lifecycle.NeedsPerson(f.Session)
	s := Status{State: StateWaiting, Phase: st.Phase, Image: f.Image, Viewing: f.Viewing, Timeline: timeline(f.Stamps),
		ReportMillis: wake.ReportInputEvery(f.Session).Milliseconds()}
	switch {
	case lifecycle.PoweredOff(f.Session):
		s.State, s.Summary = StateOff, closing.PoweredOff.Text
	case f.Waits && (needsPerson || !lifecycle.Runs(f.Session)):
		s.State, s.Summary = StateAway, textAway
	case f.Viewing == viewer.ViewingOthers && !needsPerson:
		s.State, s.Summary = StateElsewhere, textElsewhere
	case f.Reachable:
		s.State, s.Step, s.Summary = StateReady, StepConnecting, textConnects
		s.Sleep = nextSleep(f.Now, policy, f.Session)
	case needsPerson && lifecycle.StartFailed(f.Session):
		s.State = StateFailed
		s.Summary, s.Detail = startFailed(st, policy)
	case needsPerson:
		s.State, s.Summary = StateAsleep, sleptBecause(lifecycle.SleptBy(f.Session), policy)
	case lifecycle.Dozing(f.Session):
		s.Step, s.Summary, s.Resting = StepConnecting, textRests, true
	default:
		s.Step, s.Summary, s.Detail, s.Blocked = progress(f.Now, f.View)
		if s.Detail == "" && lifecycle.SleptBy(f.Session) == lifecycle.ReasonDozeLost {
			s.Detail = textAnew
		}
		s.Early, s.UsuallyMillis = f.Early, f.Usually.Milliseconds()
		if began := st.StartTime; began != nil {
			s.WaitedMillis = max(0, f.Now.Sub(began.Time).Milliseconds())
		}
	}
	s.Message = strings.TrimSpace(s.Summary + " " + s.Detail)
	return s
}

func progress(now time.Time, v directory.View) (step Step, summary, detail string, blocked bool) {
	step, summary = StepWaking, textWaking
	switch p := v.Pod; {
	case lifecycle.Asleep(v.Session) || p == nil:
	case p.Started || p.Listening:
		step, summary = StepStarting, textStarting
	case p.Scheduled:
		step, summary = StepImage, textImage
	default:
		step, summary = StepPlace, textPlace
	}
	if lifecycle.Asleep(v.Session) {
		return step, summary, "", false
	}
	if obstacle, detail, blocks := obstacle(now, v.Session, step); obstacle != "" {
		return step, obstacle, detail, blocks
	}
	return step, summary, "", false
}

// nextSleep is the first clock to run out of those that the page warns of; nil is none.
func nextSleep(now time.Time, p lifecycle.Policy, s *v1alpha1.VDISession) *Sleep {
	clocks := slices.DeleteFunc(lifecycle.SessionClocks(now, p, s), func(d lifecycle.Due) bool { return !d.Warns || !d.At.After(now) })
	if len(clocks) == 0 {
		return nil
	}
	next := slices.MinFunc(clocks, func(a, b lifecycle.Due) int { return a.At.Compare(b.At) })
	return &Sleep{Reason: next.Reason, Text: textSleeps[next.Reason].warns, Postponable: next.Postponable,
		InMillis: next.At.Sub(now).Milliseconds(), at: next.At,
		WarnMillis: next.Warning(next.Setting(p.Lifecycle).OrZero()).Milliseconds()}
}

// sleptBecause says which clock put the desktop to sleep, or that somebody did.
func sleptBecause(reason lifecycle.Reason, p lifecycle.Policy) string {
	text := cmp.Or(textSleeps[reason].slept, textAsleepHint)
	if clock, is := lifecycle.ByReason(reason); is {
		text = strings.Replace(text, "%s", inWords(clock.Setting(p.Lifecycle).OrZero()), 1)
	}
	return text
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

// Same says that a page which was told o shows the same as one that is told s.
func (s Status) Same(o Status) bool {
	for _, x := range []*Status{&s, &o} {
		x.Timeline, x.WaitedMillis = nil, 0
		if x.Sleep != nil {
			next := *x.Sleep
			next.InMillis = 0
			x.Sleep = &next
		}
	}
	return reflect.DeepEqual(s, o)
}

// WriteStatus sends a status as JSON.
func WriteStatus(w http.ResponseWriter, s Status) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(s)
}
