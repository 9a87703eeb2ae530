package chaos

import (
	"context"
	"fmt"
	"maps"
	"math"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/activator/record"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// kinds are all that can happen.
var kinds = map[string]kind{}

func init() {
	for _, some := range []map[string]kind{ofPeople, ofElsewhere, ofObjects, ofPods, ofRefusals, ofPrograms} {
		maps.Copy(kinds, some)
	}
}

// guestsEach is how many visitors a session has.
const guestsEach = 2

func (p *player) guest(s Step) guest { return guest{p.key(s), int(s.Choice) % guestsEach} }

// ofPeople is what visitors and those who own a session do.
var ofPeople = map[string]kind{
	"visit": {family: everyday, weight: 30, lasting: true, do: func(p *player, ctx context.Context, s Step) error {
		if err := p.guests.visit(ctx, p.guest(s)); err != nil {
			return err
		}
		p.guests.stay(ctx, p.guest(s))
		return nil
	}},
	"glance": {family: everyday, weight: 10, do: func(p *player, ctx context.Context, s Step) error { return p.guests.visit(ctx, p.guest(s)) }},
	"leave": {family: everyday, weight: 15, do: func(p *player, _ context.Context, s Step) error {
		p.guests.leave(p.guest(s))
		return nil
	}},
	"type": {family: everyday, weight: 20, do: func(p *player, ctx context.Context, s Step) error { return p.guests.types(ctx, p.guest(s)) }},
	"power": {family: everyday, weight: 20, says: func(s Step) string { return string(powerOf(s)) }, do: func(p *player, ctx context.Context, s Step) error {
		return p.patch(ctx, s, `{"spec":{"power":%q}}`, powerOf(s))
	}},
	"clocks": {family: "clocks", weight: 10, says: clocksOf, do: func(p *player, ctx context.Context, s Step) error {
		return p.patch(ctx, s, `{"spec":{"lifecycle":%s}}`, clocksOf(s))
	}},
	"persistence": {family: "homes", weight: 6, says: homeSays, do: func(p *player, ctx context.Context, s Step) error {
		return p.patch(ctx, s, `{"spec":{"persistence":{"enabled":%s}}}`, homeSays(s))
	}},
}

func powerOf(s Step) v1alpha1.Power {
	return one(s, v1alpha1.PowerOff, v1alpha1.PowerOnDemand, v1alpha1.PowerOnDemand, v1alpha1.PowerOnDemand, v1alpha1.PowerOnDemand, v1alpha1.PowerAlwaysOn)
}

func homeSays(s Step) string { return one(s, "true", "true", "false") }

func clocksOf(s Step) string {
	return one(s, `null`, `{"disconnectTimeout":"10s"}`, `{"idleTimeout":"10s"}`, `{"maxDuration":"10s"}`, `{"startupTimeout":"10s"}`,
		`{"disconnectTimeout":"10s","idleTimeout":"11s"}`, `{"disconnectTimeout":"0s","idleTimeout":"10s"}`)
}

// ofElsewhere is what activators report whose clocks are not ours, early, late and twice.
var ofElsewhere = map[string]kind{
	"report": {family: "reports", weight: 20, says: func(s Step) string {
		return fmt.Sprintf("%s %s off, %d times", reportOf(s).what, reportOf(s).off, reportOf(s).times)
	}, do: func(p *player, ctx context.Context, s Step) error {
		r := reportOf(s)
		for range r.times {
			if err := p.elsewhere.WriteActivity(ctx, p.key(s), r.activity(time.Now().Add(r.off))); err != nil {
				return err
			}
		}
		return nil
	}},
}

// report is one of another activator's.
type report struct {
	what  string
	off   time.Duration
	times int
}

func reportOf(s Step) report {
	offs := []time.Duration{0, -30 * time.Second, 30 * time.Second, -2 * time.Hour, 5 * time.Minute, 50 * time.Second, time.Duration(math.MaxInt32)}
	whats := []string{"connected", "input", "watched", "reached", "wake"}
	return report{whats[int(s.Choice)%len(whats)], offs[int(s.Choice/8)%len(offs)], 1 + int(s.Choice/64)%2}
}

func (r report) activity(at time.Time) record.Activity {
	switch at = metav1.NewMicroTime(at).Truncate(time.Microsecond); r.what {
	case "connected":
		return record.Activity{Connected: at}
	case "input":
		return record.Activity{Connected: at, Input: at}
	case "watched":
		return record.Activity{Watched: at}
	case "reached":
		return record.Activity{Reached: at}
	}
	return record.Activity{Connected: at, Wake: at}
}
