package page

import (
	"fmt"
	"strings"
	"time"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// Every sentence that a visitor reads on the page around a desktop, in one place; those of
// refusals are in package closing. The script
// gets its own from the page; {time} is filled in there.
const (
	titleWaiting = "Your desktop is starting"
	titleBlocked = "Your desktop cannot start"
	titleResting = "Your desktop comes back"
	titleReady   = "Opening your desktop"
	titleFailed  = "Your desktop did not start"
	titleAsleep  = "Your desktop is asleep"
	titleOff     = "Your desktop is switched off"
	titleAway    = "This desktop is asleep"
	titleElse    = "This desktop is open in another tab"
	titleFrame   = "Desktop"
	titleWarning = "Your desktop is about to sleep"

	labelWaking  = "Wake"
	labelPlace   = "Find a place"
	labelImage   = "Prepare"
	labelStarts  = "Start"
	labelConnect = "Connect"
	labelSteps   = "Steps of the start"

	textWaking   = "Waking your desktop."
	textPlace    = "Looking for a place to run it."
	textImage    = "Preparing its image and your files."
	textStarting = "Its programs are starting."
	textConnects = "Connecting to it."
	textRests    = "Your desktop rests; it comes back as you left it."
	textAnew     = "It could not be brought back as you left it, and starts anew: what was open is closed, your files are there."

	textTryAgain    = "Try again"
	textWake        = "Wake it"
	textFailedHint  = "If it happens again, show this page to your administrator."
	textQueueHint   = "It starts by itself as soon as there is room. Leave this page open."
	textBlockedHint = "It starts by itself once that is mended. Show this page to your administrator."
	textAsleepHint  = "It starts again when you wake it."
	textNoScript    = "This page refreshes itself every two seconds."
	textStuck       = "Does nothing happen?"
	textReload      = "Load the page again"
	textUsually     = "usually about {time}"
	textLonger      = "longer than usual, still working on it"
	textSeconds     = "{time} s"
	textMinutes     = "{time} min"
	textOffline     = "The connection was lost. Trying again…"

	textWarnIn     = "It sleeps in {time}"
	textStay       = "Stay"
	textUnderstood = "Understood"
	textStayFails  = "That did not get through. Try again."

	textElsewhere     = "It can be shown in one place at a time. The other tab may also be in another browser, or on another computer."
	textElsewhereHint = "When you use it here, it stops there. Nothing in it is lost."
	textTake          = "Use it here"

	textAway     = "It opens here as soon as somebody wakes it who may."
	textOpen     = "Open it again"
	textWhose    = "The desktop of %s."
	textLooks    = "You are watching: what you type and click stays here."
	textTrusted  = "You are watching: the desktop itself sees to it that what you type and click changes nothing."
	textControls = "You may type in it."
	textSignOut  = "Sign out"
	textMenu     = "Menu of this page"
	textShare    = "Share, and see who is in"
	textHome     = "Your desktops"

	textAtMost        = "It takes %s at most."
	textGivenUpIn     = "It is given up in %s at most, unless it is back before. Then your desktop starts elsewhere, as soon as your files are free."
	textWaitingFor    = "Waiting for a node with enough %s."
	textNoImage       = "Its image cannot be pulled: %s."
	textStartFailed   = "It did not start in time."
	textStartFailedIn = "It did not start within %s."
)

// reasonTexts say by the reason of the condition Ready what keeps a desktop from starting.
var reasonTexts = map[string]string{
	v1alpha1.ReasonWaking:              textWaking,
	v1alpha1.ReasonHomeFinishing:       "Finishing your last session.",
	v1alpha1.ReasonScheduling:          textPlace,
	v1alpha1.ReasonPreparing:           textImage,
	v1alpha1.ReasonPullingImage:        textImage,
	v1alpha1.ReasonStarting:            textStarting,
	v1alpha1.ReasonNotReached:          "Its programs run, but nobody has reached its port.",
	v1alpha1.ReasonWaitingForGPU:       "Waiting for a GPU.",
	v1alpha1.ReasonWaitingForResource:  "Waiting for a node with enough room.",
	v1alpha1.ReasonWaitingForVolume:    "Waiting for the volume with your files.",
	v1alpha1.ReasonStorageClassMissing: "The storage for your files does not exist.",
	v1alpha1.ReasonNoNodeLargeEnough:   "No machine has as much as it asks for.",
	v1alpha1.ReasonWaitingForNode:      "Waiting for a node that suits it.",
	v1alpha1.ReasonPodNotCreated:       "The cluster does not let it start.",
	v1alpha1.ReasonNodeLost:            "Its node is lost: the machine that it runs on does not answer.",
	v1alpha1.ReasonPodEnded:            "It was ended.",
	v1alpha1.ReasonImagePullFailed:     "Its image cannot be pulled.",
	v1alpha1.ReasonContainerFailed:     "Its container cannot be started.",
	v1alpha1.ReasonCrashLoop:           "It ends right after its start.",
	v1alpha1.ReasonKnativeFailed:       "Knative cannot start it.",
	v1alpha1.ReasonChangingOver:        "It moves to the installation's new way of running desktops.",
	v1alpha1.ReasonTemplateNotFound:    "Its template does not exist.",
	v1alpha1.ReasonInvalidTemplate:     "Its template has an error.",
	v1alpha1.ReasonHomeInUse:           "Another desktop of yours uses your files.",
	v1alpha1.ReasonHomeTerminating:     "Your former files are being deleted.",
	v1alpha1.ReasonRefused:             "The cluster refuses it.",
	v1alpha1.ReasonNameTaken:           "Something else in the cluster has its name.",
	v1alpha1.ReasonKnativeMissing:      "Knative is not installed.",
	v1alpha1.ReasonTerminating:         "It is being deleted.",
	v1alpha1.ReasonNotServed:           "Nobody serves this desktop at present.",
}

// textSleeps are the sentences about sleeps that the page tells of, and warns of where it can.
// Max duration has no length: a session's timeout may have been shorter then, as while its node
// was drained.
var textSleeps = map[lifecycle.Reason]struct{ warns, slept string }{
	lifecycle.ReasonIdle: {"Nobody has typed or moved the pointer for a while.", "Nobody typed or moved the pointer for %s."},
	lifecycle.ReasonMaxDuration: {"It has been awake for as long as it may be. This cannot be put off: save your work now.",
		"It had been awake for as long as it may be."},
	lifecycle.ReasonDozeFor:        {slept: "Nobody came back to it for %s after it was left."},
	lifecycle.ReasonGaveWay:        {slept: "Nobody was here, and somebody else needed the machine it ran on."},
	lifecycle.ReasonSleepRequested: {slept: "You, or your administrator, put it to sleep."},
}

// scriptText is what the script says by itself.
var scriptText = map[string]string{
	"titleWaiting": titleWaiting, "titleBlocked": titleBlocked, "titleResting": titleResting, "titleReady": titleReady, "titleFailed": titleFailed,
	"titleAsleep": titleAsleep, "titleOff": titleOff, "titleElsewhere": titleElse, "titleFrame": titleFrame,
	"waking": textWaking, "tryAgain": textTryAgain, "wake": textWake,
	"failedHint": textFailedHint, "asleepHint": textAsleepHint, "queueHint": textQueueHint, "blockedHint": textBlockedHint,
	"usually": textUsually, "longer": textLonger, "seconds": textSeconds, "minutes": textMinutes, "offline": textOffline,
	"warnIn": textWarnIn, "stay": textStay, "understood": textUnderstood, "stayFails": textStayFails,
	"elsewhereHint": textElsewhereHint, "take": textTake, "titleAway": titleAway, "open": textOpen,
}

// inWords is a clock's setting as people say it: "30 minutes", "1 hour 30 minutes".
func inWords(d time.Duration) string {
	var parts []string
	for _, unit := range []struct {
		name string
		size time.Duration
	}{{"hour", time.Hour}, {"minute", time.Minute}, {"second", time.Second}} {
		n := d / unit.size
		d -= n * unit.size
		switch {
		case n == 1:
			parts = append(parts, "1 "+unit.name)
		case n > 1:
			parts = append(parts, fmt.Sprintf("%d %ss", n, unit.name))
		}
	}
	return strings.Join(parts, " ")
}
