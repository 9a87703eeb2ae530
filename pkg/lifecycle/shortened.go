package lifecycle

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

const (
	// warnBefore is how long before a sleep people are warned, at most.
	warnBefore = 2 * time.Minute
	// warnShare is the part of a clock's setting that a warning may take, where that is
	// short.
	warnShare = 4
)

// Warning is how long before it runs out people are warned of a clock with this setting.
func (c Clock) Warning(setting time.Duration) time.Duration {
	if !c.Warns {
		return 0
	}
	return min(warnBefore, setting/warnShare)
}

// notice is how long a clock goes on after an edit that has shortened it: for its warning, and
// until activators have reported as often as the new setting needs.
func (c Clock) notice(setting time.Duration) time.Duration {
	if c.reported {
		return max(c.Warning(setting), reportsWithin)
	}
	return c.Warning(setting)
}

// Shorten records in the session's status which clocks run shorter by p than they did until
// now, by an edit of values, template or session: a clock that has run out by that still warns.
// Of two edits in a row the first gives the notice.
func Shorten(now time.Time, was *v1alpha1.Lifecycle, p Policy, s *v1alpha1.VDISession) {
	if was == nil || !Awake(s) {
		return
	}
	times := ptr.Deref(s.Status.Shortened, v1alpha1.ShortenedClocks{})
	for _, c := range Clocks {
		setting, before := c.Setting(p.Lifecycle).OrZero(), c.Setting(*was).OrZero()
		longer := setting <= 0 || before > 0 && setting >= before
		if longer || c.shortened == nil || now.Before(at(*c.shortened(&times)).Add(c.notice(setting))) {
			continue
		}
		*c.shortened(&times) = &metav1.MicroTime{Time: now}
		s.Status.Shortened = &times
	}
}

// shortenedClocks is when each clock was shortened in this awake period, by its name.
func shortenedClocks(s *v1alpha1.VDISession) map[string]time.Time {
	if s.Status.Shortened == nil {
		return nil
	}
	all := map[string]time.Time{}
	for _, c := range Clocks {
		if c.shortened != nil {
			all[c.Name] = at(*c.shortened(s.Status.Shortened))
		}
	}
	return all
}
