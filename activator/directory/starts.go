package directory

import (
	"slices"
	"time"
)

// UsualStart is the median of how long the last starts of a template's sessions took;
// 0 where none is known.
func (d *Directory) UsualStart(template string) time.Duration {
	var took []time.Duration
	d.mu.RLock()
	for _, e := range d.entries {
		if s := e.session; s != nil && s.Spec.Template == template && s.Status.LastStartDuration != nil && s.Status.LastStartDuration.Duration > 0 {
			took = append(took, s.Status.LastStartDuration.Duration)
		}
	}
	d.mu.RUnlock()
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[len(took)/2]
}
