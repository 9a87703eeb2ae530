package shell

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/wake"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/metrics"
)

func expectPage(t *testing.T, w *httptest.ResponseRecorder, status int) string {
	t.Helper()
	if w.Code != status {
		t.Errorf("status = %d, want %d", w.Code, status)
	}
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	policy := w.Header().Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
		t.Errorf("Content-Security-Policy = %q", policy)
	}
	body := w.Body.String()
	for _, part := range []string{" style=", " onclick=", "<style", "javascript:"} {
		if strings.Contains(body, part) {
			t.Errorf("the page holds %q, which its own policy forbids", part)
		}
	}
	return body
}

func TestEachMessageIsAWholePageWithItsStatus(t *testing.T) {
	for _, m := range []Message{NotFound, NoToken, BadToken, Expired, Foreign, ForeignOrigin, PoweredOff, Unavailable} {
		w := httptest.NewRecorder()
		WriteMessage(w, m)
		body := expectPage(t, w, m.Status)
		if !strings.Contains(body, "<h1>"+m.Title+"</h1>") || !strings.Contains(body, m.Text) || m.Title == "" || m.Text == "" {
			t.Errorf("the page does not say %q, %q:\n%s", m.Title, m.Text, body)
		}
	}
}

func TestTheWaitingPageWorksForEverybody(t *testing.T) {
	w := httptest.NewRecorder()
	WriteWaiting(w, Status{State: StateWaiting, Message: `pulling <script>alert("x")</script>`})
	body := expectPage(t, w, http.StatusAccepted)
	for what, part := range map[string]string{
		"a language":                     `lang="en"`,
		"a refresh without script":       `<noscript><meta http-equiv="refresh" content="2"></noscript>`,
		"a word on it":                   "This page refreshes itself every two seconds.",
		"a label on the progress bar":    `role="progressbar" aria-label="Your desktop is starting"`,
		"a message that is announced":    `role="status" aria-live="polite"`,
		"where to ask":                   `data-status="/_vdi/status"`,
		"a title for a start that fails": `data-failed-title="Your desktop did not start"`,
		"a title for a sleep":            `data-asleep-title="Your desktop went to sleep"`,
		"the message as text":            "pulling &lt;script&gt;",
	} {
		if !strings.Contains(body, part) {
			t.Errorf("the page lacks %s: %s", what, part)
		}
	}
	if w.Header().Get("Retry-After") != "2" {
		t.Errorf("Retry-After = %q", w.Header().Get("Retry-After"))
	}
}

func TestWhatAPageLoadsIsServed(t *testing.T) {
	assets := Assets()
	for path, kind := range map[string]string{"waiting.js": "text/javascript", "shell.css": "text/css"} {
		w := httptest.NewRecorder()
		assets.ServeHTTP(w, httptest.NewRequest(http.MethodGet, AssetsPath+path, nil))
		if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), kind) || w.Body.Len() == 0 {
			t.Errorf("%s: %d %s, %d bytes", path, w.Code, w.Header().Get("Content-Type"), w.Body.Len())
		}
	}
	w := httptest.NewRecorder()
	assets.ServeHTTP(w, httptest.NewRequest(http.MethodGet, AssetsPath+"../pages/message.html", nil))
	if w.Code == 200 {
		t.Error("served something that is no asset")
	}
}

func TestThePagesIdsAreThoseOfTheScript(t *testing.T) {
	script, err := fs.ReadFile(files, "assets/waiting.js")
	if err != nil {
		t.Fatal(err)
	}
	page, err := fs.ReadFile(files, "pages/waiting.html")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(script), `byId("`)
	if len(parts) < 3 {
		t.Fatal("the script looks for nothing")
	}
	for _, p := range parts[1:] {
		id, _, _ := strings.Cut(p, `"`)
		if !strings.Contains(string(page), `id="`+id+`"`) {
			t.Errorf("the script looks for %q, which the page lacks", id)
		}
	}
}

func TestWhatAWaitingPageIsTold(t *testing.T) {
	at := time.Unix(100, 0)
	stamps := wake.Stamps{Requested: at, Seen: map[metrics.Stage]time.Time{metrics.StageReached: at.Add(time.Second)}}
	for name, tc := range map[string]struct {
		phase         v1alpha1.Phase
		power         v1alpha1.Power
		message       string
		pod           *directory.Pod
		ready, forced bool
		state         State
		says          string
	}{
		"asleep, being woken": {phase: v1alpha1.PhaseAsleep, message: "A visit wakes it.", state: StateWaiting, says: textWaking},
		"nothing known yet":   {state: StateWaiting, says: textWaking},
		"scheduled":           {phase: v1alpha1.PhaseCreating, pod: &directory.Pod{Scheduled: true}, state: StateWaiting, says: textScheduled},
		"started":             {phase: v1alpha1.PhaseCreating, pod: &directory.Pod{Scheduled: true, Started: true}, state: StateWaiting, says: textStarted},
		"with a reason":       {phase: v1alpha1.PhaseCreating, message: "Waiting for a GPU.", state: StateWaiting, says: "Waiting for a GPU."},
		"reachable":           {phase: v1alpha1.PhaseCreating, ready: true, state: StateReady},
		"did not start":       {phase: v1alpha1.PhaseFailed, message: "No GPU.", forced: true, state: StateFailed, says: "No GPU."},
		"put to sleep":        {phase: v1alpha1.PhaseAsleep, message: "A visit wakes it.", forced: true, state: StateAsleep, says: "A visit wakes it."},
		"switched off":        {phase: v1alpha1.PhaseAsleep, power: v1alpha1.PowerOff, message: "Switched off.", state: StateOff, says: "Switched off."},
	} {
		t.Run(name, func(t *testing.T) {
			s := &v1alpha1.VDISession{}
			s.Spec.Power, s.Status.Phase, s.Status.Message = tc.power, tc.phase, tc.message
			got := Describe(directory.View{Session: s, Pod: tc.pod}, tc.ready, tc.forced, stamps)
			if got.State != tc.state || got.Message != tc.says || got.Phase != tc.phase {
				t.Errorf("told %+v, want %s and %q", got, tc.state, tc.says)
			}
			if got.Timeline["requested"] != 100_000 || got.Timeline["reached"] != 101_000 {
				t.Errorf("timeline = %v", got.Timeline)
			}
		})
	}
	w := httptest.NewRecorder()
	WriteStatus(w, Status{State: StateWaiting, Message: "soon"})
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got["state"] != "waiting" || got["message"] != "soon" || got["timeline"] != nil {
		t.Errorf("JSON = %s, %v", w.Body, err)
	}
	if w.Header().Get("Cache-Control") != "no-store" {
		t.Error("a status may be cached")
	}
}
