package directory

import (
	"slices"
	"time"
)

// MedianStart returns how long a start of the template's sessions usually takes: the median
// of their last ones, 0 where none is known.
func (d *Directory) MedianStart(template string) time.Duration {
	var took []time.Duration
	d.mu.RLock()
	for _, e := range d.entries {
		s := e.session
		if s == nil || s.Spec.Template != template {
			continue
		}
		if last := s.Status.LastStartDuration; last != nil && last.Duration > 0 {
			took = append(took, last.Duration)
		}
	}
	d.mu.RUnlock()
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[len(took)/2]
}
