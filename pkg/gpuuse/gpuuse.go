// Package gpuuse sums up what desktops take of GPUs by day: status.gpuUse, to which each sleep
// adds, and the present wake, which is in no record yet.
//
// It is pure. Desktops that were deleted are in nobody's sum; the metrics have them.
package gpuuse

import (
	"slices"
	"strings"
	"time"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// Days is how many are recorded, and summed up: a week with the present day, in UTC.
const Days = 7

// layout writes a day so that later ones sort later.
const layout = time.DateOnly

// oldest is the first day of those that are recorded on the day of now.
func oldest(now time.Time) string { return now.UTC().AddDate(0, 0, 1-Days).Format(layout) }

// Add adds a wake from..to with that many GPUs to a record, of which it keeps the days that are
// recorded at to. A wake that ends before it began, by clocks that differ, adds nothing.
func Add(record []v1alpha1.GPUDay, from, to time.Time, gpus int32) []v1alpha1.GPUDay {
	from, to = from.UTC(), to.UTC()
	first, last := oldest(to), to.Format(layout)
	kept := slices.DeleteFunc(slices.Clone(record), func(d v1alpha1.GPUDay) bool {
		return d.Day < first || d.Day > last
	})
	begin := time.Date(to.Year(), to.Month(), to.Day()+1-Days, 0, 0, 0, 0, time.UTC)
	if from.Before(begin) {
		from = begin
	}
	for gpus > 0 && from.Before(to) {
		next := time.Date(from.Year(), from.Month(), from.Day()+1, 0, 0, 0, 0, time.UTC)
		if next.After(to) {
			next = to
		}
		day, seconds := from.Format(layout), int64(next.Sub(from).Seconds())*int64(gpus)
		if at := slices.IndexFunc(kept, func(d v1alpha1.GPUDay) bool { return d.Day == day }); at >= 0 {
			kept[at].Seconds += seconds
		} else {
			kept = append(kept, v1alpha1.GPUDay{Day: day, Seconds: seconds})
		}
		from = next
	}
	slices.SortFunc(kept, func(a, b v1alpha1.GPUDay) int { return strings.Compare(a.Day, b.Day) })
	return kept
}

// Week is what a session's desktop has taken in the days that are recorded at now, with the
// present wake, in GPU time; gpus is how many it has.
func Week(s *v1alpha1.VDISession, gpus int32, now time.Time) (sum time.Duration) {
	record, first := s.Status.GPUUse, oldest(now)
	if began := s.Status.StartTime; began != nil {
		record = Add(record, began.Time, now, gpus)
	}
	for _, d := range record {
		if d.Day >= first {
			sum += time.Duration(d.Seconds) * time.Second
		}
	}
	return sum
}
