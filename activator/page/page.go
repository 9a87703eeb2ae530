package page

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/org/vdi-operator/activator/route"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// refreshSeconds is how often a page without script loads itself again.
const refreshSeconds = 2

// step is a line of the page's list.
type step struct {
	Name  Step
	Label string
}

var steps = []step{{StepWaking, labelWaking}, {StepPlace, labelPlace}, {StepImage, labelImage},
	{StepStarting, labelStarts}, {StepConnecting, labelConnect}}

// forScript is what the page's script is told.
type forScript struct {
	Status Status            `json:"status"`
	Text   map[string]string `json:"text"`
	Steps  []Step            `json:"steps"`
	// Paths of ours.
	StatusPath   string `json:"statusPath"`
	EventsPath   string `json:"eventsPath"`
	ActivityPath string `json:"activityPath"`
	WakePath     string `json:"wakePath"`
	TakePath     string `json:"takePath"`
	RenewPath    string `json:"renewPath"`
	// Query parameters of ours, and whether the frame's address must be marked.
	EventsQuery    string `json:"eventsQuery"`
	WatchesQuery   string `json:"watchesQuery"`
	PageQuery      string `json:"pageQuery"`
	ScreenQuery    string `json:"screenQuery"`
	FrameMarker    string `json:"frameMarker"`
	RefreshMarker  string `json:"refreshMarker"`
	MarksAddresses bool   `json:"marksAddresses"`
	// BeatMillis is BeatEvery.
	BeatMillis int64 `json:"beatMillis"`
	// Looks says that the visitor may only look.
	Looks bool `json:"looks,omitempty"`
	// Watermark is the text over the desktop, in which {time} stands for the time.
	Watermark string `json:"watermark,omitempty"`
	// Now is when the page was made, in milliseconds since 1970.
	Now int64 `json:"now"`
}

// Page is the page around a desktop.
type Page struct {
	// Name is the session's.
	Name string
	// Face is how the person sees the session.
	Face route.Face
	// Address is what the person asked for, below the session's folder and without markers.
	Address *url.URL
	// Marked says that the browser does not tell a frame's request from a person's, so
	// that the frame's address is marked.
	Marked  bool
	Status  Status
	Visitor Visitor
	// Access is the desktop's policy; nil lets everything pass.
	Access *v1alpha1.AccessPolicy
}

// Visitor is what the page says of who sees it.
type Visitor struct {
	// User is who it is, as far as that is known, or else by which share they came.
	User string
	// Owner is whose desktop it is; empty where it is the visitor's.
	Owner string
	// Looks says that the visitor may only look; Trusts that the desktop itself sees to that.
	Looks, Trusts bool
	// SignOutTo is the origin that a sign-out leads to; empty where there is none.
	SignOutTo string
	// SharingAt and HomeAt are where they share the desktop, and find their others; empty where
	// they may not, or nobody signs in.
	SharingAt, HomeAt string
}

// whose says whose desktop it is, and what the visitor may do in it; nothing to its owner.
func (v Visitor) whose() string {
	switch {
	case v.Owner == "":
		return ""
	case v.Looks && v.Trusts:
		return fmt.Sprintf(textWhose, v.Owner) + " " + textTrusted
	case v.Looks:
		return fmt.Sprintf(textWhose, v.Owner) + " " + textLooks
	}
	return fmt.Sprintf(textWhose, v.Owner) + " " + textControls
}

// WritePage sends the page around a desktop.
func WritePage(w http.ResponseWriter, p Page) {
	data := struct {
		Title, Name, Hint, Action, Allow, FrameTitle, WarnTitle, StepsLabel, NoScript, Stuck, Reload string
		Whose, SignOut, SignOutPath                                                                  string
		Menu, Share, ShareAt, Home, HomeAt                                                           string
		Address, Frame, Refresh                                                                      string
		RefreshSeconds                                                                               int
		Steps                                                                                        []step
		Status                                                                                       Status
		Script                                                                                       string
		Marks                                                                                        []string
	}{
		Title: titleWaiting, Name: p.Name, Allow: frameAllows(p.Access), FrameTitle: titleFrame, WarnTitle: titleWarning, StepsLabel: labelSteps,
		NoScript: textNoScript, Stuck: textStuck, Reload: textReload, RefreshSeconds: refreshSeconds, Steps: steps, Status: p.Status,
		Address: p.Face.Outside(p.Address), Frame: p.Face.Outside(p.Address), Whose: p.Visitor.whose(),
	}
	watermark, now := p.watermark(), time.Now()
	if watermark != "" {
		data.Marks = slices.Repeat([]string{atTime(watermark, now)}, marksShown)
	}
	if p.Visitor.SignOutTo != "" {
		data.SignOut, data.SignOutPath = textSignOut, p.Face.Prefix+SignOutPath
	}
	if p.Visitor.SharingAt != "" {
		data.Menu, data.Share, data.ShareAt, data.Home, data.HomeAt = textMenu, textShare, p.Visitor.SharingAt, textHome, p.Visitor.HomeAt
	}
	script := forScript{Watermark: watermark, Now: now.UnixMilli(), Looks: p.Visitor.Looks, RenewPath: p.Face.Prefix + RenewPath, Status: p.Status, Text: scriptText,
		StatusPath: p.Face.Prefix + StatusPath, EventsPath: p.Face.Prefix + EventsPath,
		ActivityPath: p.Face.Prefix + ActivityPath, WakePath: p.Face.Prefix + WakePath, TakePath: p.Face.Prefix + TakePath,
		BeatMillis: BeatEvery.Milliseconds(), EventsQuery: EventsQuery, WatchesQuery: WatchesQuery,
		PageQuery: PageQuery, ScreenQuery: ScreenQuery, FrameMarker: frameMarker, RefreshMarker: refreshMarker, MarksAddresses: p.Marked}
	for _, s := range steps {
		script.Steps = append(script.Steps, s.Name)
	}
	encoded, err := json.Marshal(script)
	if err != nil {
		panic(err) // it holds nothing that cannot be written
	}
	data.Script = string(encoded)
	if p.Marked {
		data.Frame = p.Face.Outside(marked(p.Address, frameMarker))
	}
	status := http.StatusOK
	switch p.Status.State {
	case StateWaiting:
		status = http.StatusAccepted
		switch {
		case p.Status.Resting:
			data.Title = titleResting
		case p.Status.Blocked:
			data.Title, data.Hint = titleBlocked, textBlockedHint
		case p.Status.Step == StepPlace && p.Status.Detail != "":
			data.Hint = textQueueHint
		}
		data.Refresh = p.Face.Outside(marked(p.Address, refreshMarker))
		w.Header().Set("Retry-After", strconv.Itoa(refreshSeconds))
	case StateFailed:
		data.Title, data.Hint, data.Action = titleFailed, textFailedHint, textTryAgain
	case StateAsleep:
		data.Title, data.Hint, data.Action = titleAsleep, textAsleepHint, textWake
	case StateOff:
		data.Title = titleOff
	case StateAway:
		data.Title = titleAway
	case StateReady:
		data.Title = titleReady
	}
	renderTo(w, status, "page.html", data, p.Visitor.SignOutTo)
}
