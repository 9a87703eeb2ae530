package page

import (
	"strings"
	"time"
)

const (
	// marksShown are enough to cover a large screen; what is beyond it is cut off.
	marksShown = 160
	// timePlace stands for the time in a watermark, which the script keeps up to date.
	timePlace = "{time}"
	// timeFormat is the time in UTC, as a person reads it off a photograph.
	timeFormat = "2006-01-02 15:04 UTC"
)

// watermark is the policy's text for this visitor; empty for none. Time is filled in last: a name is
// not ours, and may have braces.
func (p Page) watermark() string {
	if p.Access == nil {
		return ""
	}
	return strings.NewReplacer("{user}", p.Visitor.User, "{session}", p.Name).Replace(p.Access.Watermark)
}

func atTime(watermark string, now time.Time) string {
	return strings.ReplaceAll(watermark, timePlace, now.UTC().Format(timeFormat))
}
