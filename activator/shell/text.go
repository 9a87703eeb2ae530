package shell

// Every sentence that a visitor reads on a page of ours, in one place.
const (
	titleWaiting = "Your desktop is starting"
	titleFailed  = "Your desktop did not start"
	titleAsleep  = "Your desktop went to sleep"

	textWaking     = "Waking your desktop…"
	textScheduled  = "Found a place for it. Starting…"
	textStarted    = "Started. Connecting…"
	textTryAgain   = "Try again"
	textNoScript   = "This page refreshes itself every two seconds."
	textFailedHint = "Try again, or show the text above to your administrator."

	titleNotFound = "There is no desktop here"
	textNotFound  = "The address is not one of a desktop. Check it, or ask whoever gave it to you."

	titleNoToken = "You need a link to open this desktop"
	textNoToken  = "Open it with the link you were given. If you have none, ask your administrator; they make one with: kubectl vdi link SESSION"

	titleBadToken = "This link does not work"
	textBadToken  = "It is incomplete, or was not made by this installation. Copy the whole link again, or ask for a new one."

	titleExpired = "This link has expired"
	textExpired  = "Ask your administrator for a new one."

	titleForeign = "This link is for another desktop"
	textForeign  = "It does not open this one. Use the link that you were given for this desktop."

	titleForeignOrigin = "Request from another site refused"
	textForeignOrigin  = "A page of another site tried to use this desktop."

	titlePoweredOff = "This desktop is switched off"
	textPoweredOff  = "Your administrator switched it off. Ask them to switch it on again."

	titleUnavailable = "Your desktop cannot be reached just now"
	textUnavailable  = "Load the page again in a moment."
)
