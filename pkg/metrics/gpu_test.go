package metrics

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestADesktopsTimeIsSplitIntoAwakeAndAsleep(t *testing.T) {
	noon := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	// Each interval is noon to ten past.
	for name, c := range map[string]struct {
		desktop       GPUDesktop
		awake, asleep int
	}{
		"never woken":                        {GPUDesktop{Created: at(-60)}, 0, 10},
		"made five minutes ago":              {GPUDesktop{Created: at(5)}, 0, 5},
		"made after the scrape":              {GPUDesktop{Created: at(11)}, 0, 0},
		"awake all the time":                 {GPUDesktop{AwakeSince: at(-30), AsleepSince: at(-60)}, 10, 0},
		"asleep all the time":                {GPUDesktop{AsleepSince: at(-30), Woken: at(-60)}, 0, 10},
		"woke at three past":                 {GPUDesktop{AwakeSince: at(3), AsleepSince: at(-60)}, 7, 3},
		"slept at four past":                 {GPUDesktop{AsleepSince: at(4), Woken: at(-60)}, 4, 6},
		"woke at two and slept at six past":  {GPUDesktop{AsleepSince: at(6), Woken: at(2)}, 4, 6},
		"slept at two, woke at six past":     {GPUDesktop{AwakeSince: at(6), AsleepSince: at(2), Woken: at(6)}, 6, 4},
		"made, woken at once":                {GPUDesktop{Created: at(4), AwakeSince: at(4)}, 6, 0},
		"slept, in the future of this clock": {GPUDesktop{AsleepSince: at(11), Woken: at(-5)}, 10, 0},
		"woke, in the future of this clock":  {GPUDesktop{AwakeSince: at(11), AsleepSince: at(-5)}, 0, 10},
	} {
		t.Run(name, func(t *testing.T) {
			awake, asleep := c.desktop.within(at(0), at(10))
			require.Equal(t, float64(c.awake), awake.Minutes())
			assert.Equal(t, float64(c.asleep), asleep.Minutes(),
				"awake for %s and asleep for %s, want %d and %d minutes", awake, asleep, c.awake, c.asleep)
		})
	}
}

func TestGPUSecondsAreCountedFromTheFirstScrapeOfTheLeader(t *testing.T) {
	now := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	desktops := []GPUDesktop{
		{Resource: "nvidia.com/gpu", GPUs: 2, AwakeSince: now.Add(-time.Hour)},
		{Resource: "nvidia.com/gpu", GPUs: 1},
		{Resource: "nvidia.com/mig-1g.5gb", GPUs: 1},
	}
	leads, fails := false, error(nil)
	reg := prometheus.NewRegistry()
	reg.MustRegister(NewGPUSeconds(func(context.Context) ([]GPUDesktop, error) { return desktops, fails },
		func() bool { return leads }, func() time.Time { return now }, "nvidia.com/gpu"))
	expect := func(want string) {
		t.Helper()
		assert.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(want)))
	}
	const help = `# HELP vdi_gpu_seconds_saved_total GPUs times the seconds for which sessions slept: what the same sessions, always on, would have held besides.
# TYPE vdi_gpu_seconds_saved_total counter
vdi_gpu_seconds_saved_total{resource="nvidia.com/gpu"} SAVED
vdi_gpu_seconds_saved_total{resource="nvidia.com/mig-1g.5gb"} SAVED
# HELP vdi_gpu_seconds_used_total GPUs times the seconds for which sessions were awake, from each wake to the next sleep.
# TYPE vdi_gpu_seconds_used_total counter
vdi_gpu_seconds_used_total{resource="nvidia.com/gpu"} USED
vdi_gpu_seconds_used_total{resource="nvidia.com/mig-1g.5gb"} 0
`
	with := func(used, saved string) string {
		return strings.NewReplacer("USED", used, "SAVED", saved).Replace(help)
	}

	expect("")
	leads = true
	expect(with("0", "0")) // not the hour before
	now = now.Add(30 * time.Second)
	expect(with("60", "30"))
	now = now.Add(-10 * time.Second) // a clock that is set back takes nothing away
	expect(with("60", "30"))
	now = now.Add(20 * time.Second)
	expect(with("80", "40"))
	fails = errors.New("no cache")
	_, err := reg.Gather()
	assert.ErrorContains(t, err, "no cache")
	fails, now = nil, now.Add(10*time.Second) // and is made up for
	expect(with("100", "50"))
}
