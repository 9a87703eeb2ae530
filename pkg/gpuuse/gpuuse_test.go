package gpuuse

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func TestAWakeIsCountedOnTheDaysThatItTook(t *testing.T) {
	before := []v1alpha1.GPUDay{{Day: "2026-11-22", Seconds: 1}, {Day: "2026-11-23", Seconds: 2}, {Day: "2026-11-28", Seconds: 3}, {Day: "2027-01-01", Seconds: 4}}
	got := Add(before, noon.Add(-24*time.Hour), noon, 2)
	assert.Equal(t, []v1alpha1.GPUDay{{Day: "2026-11-23", Seconds: 2}, {Day: "2026-11-28", Seconds: 3 + 2*12*3600},
		{Day: "2026-11-29", Seconds: 2 * 12 * 3600}}, got)
	assert.Equal(t, int64(3), before[2].Seconds, "the record before was changed")
	assert.Len(t, Add(nil, noon.AddDate(-1, 0, 0), noon, 1), Days, "a wake of a year")
	assert.Empty(t, Add(nil, noon, noon.Add(-time.Second), 1), "a clock was set back")
	assert.Empty(t, Add(nil, noon.Add(-time.Hour), noon, 0), "a desktop without GPUs")
	zone := time.FixedZone("west", -11*3600)
	assert.Equal(t, "2026-11-29", Add(nil, noon.Add(-time.Hour).In(zone), noon.In(zone), 1)[0].Day, "days are those of UTC")
}

func TestAWeekHasThePresentWake(t *testing.T) {
	s := &v1alpha1.VDISession{}
	s.Status.GPUUse = []v1alpha1.GPUDay{{Day: "2026-11-22", Seconds: 3600}, {Day: "2026-11-23", Seconds: 3600}}
	assert.Equal(t, time.Hour, Week(s, 2, noon))
	s.Status.StartTime = &metav1.MicroTime{Time: noon.Add(-30 * time.Minute)}
	assert.Equal(t, 2*time.Hour, Week(s, 2, noon))
	assert.Equal(t, time.Duration(0), Week(s, 0, noon.AddDate(0, 1, 0)))
}
