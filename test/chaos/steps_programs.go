package chaos

import (
	"context"
	"fmt"
	"time"
)

// ofPrograms is what happens to the programs themselves. Each goes on, or is started anew.
var ofPrograms = map[string]kind{
	"operator killed":    {family: "operator killed", weight: 1, most: 2, says: whichSays, do: killed(operators)},
	"operator ends":      {family: "operator ends", weight: 1, most: 2, says: whichSays, do: ends(operators)},
	"operator paused":    {family: "operator paused", weight: 2, most: 2, says: pauseSays, do: pausedFor(operators), lasting: true},
	"activator killed":   {family: "activator killed", weight: 1, most: 2, says: whichSays, do: killed(activators)},
	"activator ends":     {family: "activator ends", weight: 1, most: 2, says: whichSays, do: ends(activators)},
	"activator paused":   {family: "activator paused", weight: 2, most: 2, says: pauseSays, do: pausedFor(activators), lasting: true},
	"API server killed":  {family: "API server killed", weight: 1, most: 1, do: killed(apiServers)},
	"API server paused":  {family: "API server paused", weight: 1, most: 2, says: pauseSays, do: pausedFor(apiServers), lasting: true},
	"controllers killed": {family: "controllers killed", weight: 1, most: 2, do: killed(kubernetes)},
	"controllers paused": {family: "controllers paused", weight: 1, most: 2, says: pauseSays, do: pausedFor(kubernetes), lasting: true},
}

// pauses are how long programs are paused: less than a Lease of the operator's, and more.
var pauses = []time.Duration{200 * time.Millisecond, time.Second, 4 * time.Second, 12 * time.Second}

func operators(w *World) []*Program  { return w.Operators }
func activators(w *World) []*Program { return w.Activators }
func apiServers(w *World) []*Program { return []*Program{w.API} }
func kubernetes(w *World) []*Program { return []*Program{w.Controllers} }

func whichSays(s Step) string { return fmt.Sprintf("number %d", s.Choice%replicas) }

func pauseSays(s Step) string { return fmt.Sprintf("%s for %s", whichSays(s), pauseOf(s)) }

func pauseOf(s Step) time.Duration { return pauses[int(s.Choice/replicas)%len(pauses)] }

func killed(which func(*World) []*Program) func(*player, context.Context, Step) error {
	return func(p *player, _ context.Context, s Step) error {
		one(s, which(p.world)...).Kill()
		return nil
	}
}

func ends(which func(*World) []*Program) func(*player, context.Context, Step) error {
	return func(p *player, _ context.Context, s Step) error {
		one(s, which(p.world)...).Terminate()
		return nil
	}
}

func pausedFor(which func(*World) []*Program) func(*player, context.Context, Step) error {
	return func(p *player, ctx context.Context, s Step) error {
		one(s, which(p.world)...).Pause(ctx, pauseOf(s))
		return nil
	}
}
