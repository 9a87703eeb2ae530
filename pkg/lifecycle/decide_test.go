package lifecycle

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return noon.Add(-d) }

// listening is p of somebody who has seen reports for so long.
func listening(p Policy, since time.Duration) Policy {
	p.Listening = &Listening{Began: ago(since), Heard: noon}
	return p
}

func TestDecide(t *testing.T) {
	policy := Policy{Lifecycle: v1alpha1.Lifecycle{IdleTimeout: v1alpha1.NewDuration(30 * time.Minute), DisconnectTimeout: v1alpha1.NewDuration(5 * time.Minute), MaxDuration: v1alpha1.NewDuration(8 * time.Hour), StartupTimeout: v1alpha1.NewDuration(10 * time.Minute)}}
	dozing := policy
	dozing.DozeAfter, dozing.DozeFor = v1alpha1.NewDuration(2*time.Minute), v1alpha1.NewDuration(3*time.Hour)
	late, unable := dozing, dozing
	late.DozeAfter, unable.NoDoze = v1alpha1.NewDuration(6*time.Minute), true
	since := func(d time.Duration) Record {
		return Record{AwakeSince: ago(7 * time.Hour), ReadyAt: ago(7 * time.Hour), DozingSince: ago(d)}
	}
	with := func(r Record, change func(*Record)) Record {
		change(&r)
		return r
	}
	left := Activity{LastConnected: ago(6 * time.Hour)}
	for name, c := range map[string]struct {
		policy   Policy
		activity Activity
		record   Record
		want     Decision
	}{
		"a new session sleeps":                                        {policy, Activity{}, Record{}, Decision{Reason: ReasonNotVisited}},
		"a visit wakes it":                                            {policy, Activity{LastWake: noon}, Record{}, Decision{Awake: true, Reason: ReasonVisited}},
		"a visit after the sleep wakes it again":                      {policy, Activity{LastWake: ago(1)}, Record{AsleepSince: ago(2)}, Decision{Awake: true, Reason: ReasonVisited}},
		"the visit before the sleep does not":                         {policy, Activity{LastWake: ago(2)}, Record{AsleepSince: ago(1)}, Decision{Reason: ReasonNotVisited}},
		"the visit at the moment of the sleep does not":               {policy, Activity{LastWake: ago(1)}, Record{AsleepSince: ago(1)}, Decision{Reason: ReasonNotVisited}},
		"a connection that the sleep cut does not wake":               {policy, Activity{LastWake: ago(time.Hour), LastConnected: noon, LastInput: noon}, Record{AsleepSince: ago(time.Minute)}, Decision{Reason: ReasonNotVisited}},
		"always on is awake":                                          {policy, Activity{}, Record{Power: v1alpha1.PowerAlwaysOn}, Decision{Awake: true, Reason: ReasonAlwaysOn}},
		"always on outlives every clock":                              {policy, Activity{}, Record{Power: v1alpha1.PowerAlwaysOn, AwakeSince: ago(100 * time.Hour)}, Decision{Awake: true, Reason: ReasonAlwaysOn}},
		"off sleeps in spite of a visit":                              {policy, Activity{LastWake: noon}, Record{Power: v1alpha1.PowerOff}, Decision{Reason: ReasonPoweredOff}},
		"off sleeps in spite of use":                                  {policy, Activity{LastConnected: noon, LastInput: noon}, Record{Power: v1alpha1.PowerOff, AwakeSince: ago(time.Minute)}, Decision{Reason: ReasonPoweredOff}},
		"without any report the disconnect clock runs from the wake":  {policy, Activity{}, Record{AwakeSince: ago(time.Minute), ReadyAt: ago(time.Second)}, Decision{Awake: true, Reason: ReasonVisited, Until: noon.Add(4 * time.Minute)}},
		"nobody came in time":                                         {policy, Activity{}, Record{AwakeSince: ago(5 * time.Minute), ReadyAt: ago(time.Minute)}, Decision{Reason: ReasonDisconnected}},
		"a connection holds it awake":                                 {policy, Activity{LastConnected: ago(time.Minute)}, Record{AwakeSince: ago(time.Hour), ReadyAt: ago(time.Hour)}, Decision{Awake: true, Reason: ReasonVisited, Until: noon.Add(4 * time.Minute)}},
		"everybody left":                                              {policy, Activity{LastConnected: ago(5 * time.Minute)}, Record{AwakeSince: ago(time.Hour), ReadyAt: ago(time.Hour)}, Decision{Reason: ReasonDisconnected}},
		"without a reported input the idle clock stands":              {policy, Activity{LastConnected: noon}, Record{AwakeSince: ago(7 * time.Hour), ReadyAt: ago(7 * time.Hour)}, Decision{Awake: true, Reason: ReasonVisited, Until: noon.Add(5 * time.Minute)}},
		"an input of an earlier awake period does not count":          {policy, Activity{LastConnected: noon, LastInput: ago(2 * time.Hour)}, Record{AwakeSince: ago(time.Hour), ReadyAt: ago(time.Hour)}, Decision{Awake: true, Reason: ReasonVisited, Until: noon.Add(5 * time.Minute)}},
		"silence counts from when it is watched":                      {policy, Activity{LastConnected: noon, LastWatched: ago(time.Hour - time.Second)}, Record{AwakeSince: ago(time.Hour), ReadyAt: ago(time.Hour)}, Decision{Reason: ReasonIdle}},
		"who watched an earlier awake period says nothing":            {policy, Activity{LastConnected: noon, LastWatched: ago(2 * time.Hour)}, Record{AwakeSince: ago(time.Hour), ReadyAt: ago(time.Hour)}, Decision{Awake: true, Reason: ReasonVisited, Until: noon.Add(5 * time.Minute)}},
		"an input of the year 2096 is none":                           {policy, Activity{LastConnected: noon, LastWatched: ago(40 * time.Minute), LastInput: noon.AddDate(70, 0, 0)}, Record{AwakeSince: ago(time.Hour), ReadyAt: ago(time.Hour)}, Decision{Reason: ReasonIdle, Until: noon.AddDate(70, 0, 0).Add(-Ahead)}},
		"nor is such a connection one":                                {policy, Activity{LastConnected: noon.AddDate(1, 0, 0)}, Record{AwakeSince: ago(time.Hour), ReadyAt: ago(time.Hour)}, Decision{Reason: ReasonDisconnected, Until: noon.AddDate(1, 0, 0).Add(-Ahead)}},
		"nor is such a visit one":                                     {policy, Activity{LastWake: noon.AddDate(1, 0, 0)}, Record{AsleepSince: ago(1)}, Decision{Reason: ReasonNotVisited, Until: noon.AddDate(1, 0, 0).Add(-Ahead)}},
		"a little ahead is believed":                                  {policy, Activity{LastConnected: noon.Add(40 * time.Second)}, Record{AwakeSince: ago(time.Hour), ReadyAt: ago(time.Hour)}, Decision{Awake: true, Reason: ReasonVisited, Until: noon.Add(5*time.Minute + 40*time.Second)}},
		"nobody types":                                                {policy, Activity{LastConnected: noon, LastInput: ago(30 * time.Minute)}, Record{AwakeSince: ago(time.Hour), ReadyAt: ago(time.Hour)}, Decision{Reason: ReasonIdle}},
		"somebody typed a moment ago":                                 {policy, Activity{LastConnected: noon, LastInput: ago(27 * time.Minute)}, Record{AwakeSince: ago(time.Hour), ReadyAt: ago(time.Hour)}, Decision{Awake: true, Reason: ReasonVisited, Until: noon.Add(3 * time.Minute)}},
		"nobody types and the idle clock is off":                      {Policy{Lifecycle: v1alpha1.Lifecycle{DisconnectTimeout: v1alpha1.NewDuration(5 * time.Minute)}}, Activity{LastConnected: noon, LastInput: ago(30 * time.Hour)}, Record{AwakeSince: ago(40 * time.Hour), ReadyAt: ago(40 * time.Hour)}, Decision{Awake: true, Reason: ReasonVisited, Until: noon.Add(5 * time.Minute)}},
		"who types is not idle in the moment of the wake":             {policy, Activity{LastConnected: noon, LastInput: ago(time.Hour)}, Record{AwakeSince: ago(time.Hour), ReadyAt: ago(time.Hour)}, Decision{Awake: true, Reason: ReasonVisited, Until: noon.Add(5 * time.Minute)}},
		"silence that nobody listened to says nothing":                {listening(policy, 10*time.Second), Activity{LastConnected: ago(10 * time.Minute)}, Record{AwakeSince: ago(time.Hour), ReadyAt: ago(time.Hour)}, Decision{Awake: true, Reason: ReasonVisited, Until: noon.Add(20 * time.Second)}},
		"silence that was listened to does":                           {listening(policy, 30*time.Second), Activity{LastConnected: ago(10 * time.Minute)}, Record{AwakeSince: ago(time.Hour), ReadyAt: ago(time.Hour)}, Decision{Reason: ReasonDisconnected}},
		"nor does silence of the keyboard":                            {listening(policy, 10*time.Second), Activity{LastConnected: noon, LastInput: ago(31 * time.Minute)}, Record{AwakeSince: ago(time.Hour), ReadyAt: ago(time.Hour)}, Decision{Awake: true, Reason: ReasonVisited, Until: noon.Add(20 * time.Second)}},
		"a short timeout is listened to for as long as it is":         {listening(Policy{Lifecycle: v1alpha1.Lifecycle{DisconnectTimeout: v1alpha1.NewDuration(12 * time.Second)}}, 12*time.Second), Activity{LastConnected: ago(time.Minute)}, Record{AwakeSince: ago(time.Hour), ReadyAt: ago(time.Hour)}, Decision{Reason: ReasonDisconnected}},
		"the longest stay needs no report":                            {listening(policy, 0), Activity{LastConnected: noon}, Record{AwakeSince: ago(8 * time.Hour), ReadyAt: ago(8 * time.Hour)}, Decision{Reason: ReasonMaxDuration}},
		"awake for too long":                                          {policy, Activity{LastConnected: noon, LastInput: noon}, Record{AwakeSince: ago(8 * time.Hour), ReadyAt: ago(8 * time.Hour)}, Decision{Reason: ReasonMaxDuration}},
		"the start takes too long":                                    {policy, Activity{LastConnected: noon}, Record{AwakeSince: ago(10 * time.Minute)}, Decision{Reason: ReasonStartup}},
		"a desktop that started is past that":                         {policy, Activity{LastConnected: noon}, Record{AwakeSince: ago(10 * time.Minute), ReadyAt: ago(time.Second)}, Decision{Awake: true, Reason: ReasonVisited, Until: noon.Add(5 * time.Minute)}},
		"a request wakes it":                                          {policy, Activity{WakeAt: noon}, Record{}, Decision{Awake: true, Reason: ReasonVisited}},
		"a request from before the sleep does not":                    {policy, Activity{WakeAt: ago(2)}, Record{AsleepSince: ago(1)}, Decision{Reason: ReasonNotVisited}},
		"a request wakes nothing that is off":                         {policy, Activity{WakeAt: noon}, Record{Power: v1alpha1.PowerOff}, Decision{Reason: ReasonPoweredOff}},
		"a requested wake is left like a visit":                       {policy, Activity{WakeAt: ago(5 * time.Minute)}, Record{AwakeSince: ago(5 * time.Minute), ReadyAt: ago(time.Minute)}, Decision{Reason: ReasonDisconnected}},
		"a request puts to sleep what is in use":                      {policy, Activity{LastWake: ago(time.Hour), LastConnected: noon, LastInput: noon, SleepAt: ago(1)}, Record{AwakeSince: ago(time.Hour), ReadyAt: ago(time.Hour)}, Decision{Reason: ReasonSleepRequested}},
		"but not what woke after it":                                  {policy, Activity{LastConnected: noon, SleepAt: ago(2 * time.Hour)}, Record{AwakeSince: ago(time.Hour), ReadyAt: ago(time.Hour)}, Decision{Awake: true, Reason: ReasonVisited, Until: noon.Add(5 * time.Minute)}},
		"nor what somebody asked for after it":                        {policy, Activity{LastConnected: noon, SleepAt: ago(2), WakeAt: ago(1)}, Record{AwakeSince: ago(time.Hour), ReadyAt: ago(time.Hour)}, Decision{Awake: true, Reason: ReasonVisited, Until: noon.Add(5 * time.Minute)}},
		"nor what is always on":                                       {policy, Activity{SleepAt: noon}, Record{Power: v1alpha1.PowerAlwaysOn, AwakeSince: ago(time.Hour)}, Decision{Awake: true, Reason: ReasonAlwaysOn}},
		"it ends a visit that nobody has answered yet":                {policy, Activity{LastWake: ago(2), SleepAt: ago(1)}, Record{AsleepSince: ago(time.Hour)}, Decision{Reason: ReasonSleepRequested}},
		"of a sleep and a wake that nobody answered the later counts": {policy, Activity{WakeAt: ago(1), SleepAt: ago(2)}, Record{AsleepSince: ago(time.Hour)}, Decision{Awake: true, Reason: ReasonVisited}},
		"a request of the future counts when it comes":                {policy, Activity{LastConnected: noon, SleepAt: noon.Add(3 * time.Minute)}, Record{AwakeSince: ago(time.Hour), ReadyAt: ago(time.Hour)}, Decision{Awake: true, Reason: ReasonVisited, Until: noon.Add(2 * time.Minute)}},
		"so does one for a wake":                                      {policy, Activity{WakeAt: noon.Add(time.Hour)}, Record{AsleepSince: ago(1)}, Decision{Reason: ReasonNotVisited, Until: noon.Add(time.Hour - Ahead)}},
		"who has left it lately leaves it as it is":                   {dozing, Activity{LastConnected: ago(time.Minute)}, Record{AwakeSince: ago(time.Hour), ReadyAt: ago(time.Hour)}, Decision{Awake: true, Reason: ReasonVisited, Until: noon.Add(time.Minute)}},
		"left for long enough it dozes":                               {dozing, Activity{LastConnected: ago(2 * time.Minute)}, Record{AwakeSince: ago(time.Hour), ReadyAt: ago(time.Hour)}, Decision{Awake: true, Dozing: true, Reason: ReasonDozeAfter}},
		"what still starts does not":                                  {dozing, Activity{LastConnected: ago(3 * time.Minute)}, Record{AwakeSince: ago(9 * time.Minute)}, Decision{Awake: true, Reason: ReasonVisited, Until: noon.Add(time.Minute)}},
		"nor what has just become ready":                              {dozing, Activity{LastConnected: ago(3 * time.Minute)}, Record{AwakeSince: ago(9 * time.Minute), ReadyAt: ago(time.Minute)}, Decision{Awake: true, Reason: ReasonVisited, Until: noon.Add(time.Minute)}},
		"nor what nothing could freeze: the other clocks go on":       {unable, Activity{LastConnected: ago(3 * time.Minute)}, Record{AwakeSince: ago(time.Hour), ReadyAt: ago(time.Hour)}, Decision{Awake: true, Reason: ReasonVisited, Until: noon.Add(2 * time.Minute)}},
		"a disconnect timeout that is shorter comes first":            {late, Activity{LastConnected: ago(5 * time.Minute)}, Record{AwakeSince: ago(time.Hour), ReadyAt: ago(time.Hour)}, Decision{Reason: ReasonDisconnected}},
		"silence that nobody listened to is no doze":                  {listening(dozing, 10*time.Second), left, Record{AwakeSince: ago(7 * time.Hour), ReadyAt: ago(7 * time.Hour)}, Decision{Awake: true, Reason: ReasonVisited, Until: noon.Add(20 * time.Second)}},
		"a dozing desktop knows two clocks":                           {dozing, left, since(time.Hour), Decision{Awake: true, Dozing: true, Reason: ReasonDozeAfter, Until: noon.Add(time.Hour)}},
		"it sleeps when it has dozed for long":                        {dozing, left, since(3 * time.Hour), Decision{Reason: ReasonDozeFor}},
		"it sleeps when it has been awake for long":                   {dozing, left, with(since(time.Hour), func(r *Record) { r.AwakeSince = ago(8 * time.Hour) }), Decision{Reason: ReasonMaxDuration}},
		"it sleeps when somebody asks for that":                       {dozing, Activity{LastConnected: left.LastConnected, SleepAt: ago(1)}, since(time.Hour), Decision{Reason: ReasonSleepRequested}},
		"it sleeps when it is switched off":                           {dozing, left, with(since(time.Hour), func(r *Record) { r.Power = v1alpha1.PowerOff }), Decision{Reason: ReasonPoweredOff}},
		"it gives way":                                                {dozing, left, with(since(time.Hour), func(r *Record) { r.GivesWay = true }), Decision{Reason: ReasonGaveWay}},
		"what somebody is back at does not":                           {dozing, Activity{LastConnected: noon}, with(since(time.Hour), func(r *Record) { r.GivesWay = true }), Decision{Awake: true, Reason: ReasonVisited, Until: noon.Add(2 * time.Minute)}},
		"a visit thaws it":                                            {late, Activity{LastWake: ago(1)}, since(time.Hour), Decision{Awake: true, Reason: ReasonVisited, Until: noon.Add(5*time.Minute - 1)}},
		"a request does":                                              {late, Activity{WakeAt: ago(1)}, since(time.Hour), Decision{Awake: true, Reason: ReasonVisited, Until: noon.Add(5*time.Minute - 1)}},
		"left again it dozes again":                                   {dozing, Activity{LastConnected: ago(2 * time.Minute)}, since(time.Hour), Decision{Awake: true, Dozing: true, Reason: ReasonDozeAfter}},
		"it goes on dozing while its node cannot freeze":              {unable, left, since(time.Hour), Decision{Awake: true, Dozing: true, Reason: ReasonDozeAfter, Until: noon.Add(time.Hour)}},
		"with the clock off the others hold":                          {policy, left, since(time.Hour), Decision{Reason: ReasonDisconnected}},
		"what nobody can thaw has to end":                             {dozing, Activity{LastWake: noon}, with(since(time.Hour), func(r *Record) { r.DozeLost = true }), Decision{Reason: ReasonDozeLost}},
		"even where it sleeps already":                                {dozing, Activity{LastWake: noon}, Record{AsleepSince: ago(time.Hour), DozingSince: ago(time.Hour), DozeLost: true}, Decision{Reason: ReasonDozeLost}},
		"always on dozes where that is said":                          {dozing, left, Record{Power: v1alpha1.PowerAlwaysOn, AwakeSince: ago(7 * time.Hour), ReadyAt: ago(7 * time.Hour)}, Decision{Awake: true, Dozing: true, Reason: ReasonDozeAfter}},
		"and never sleeps by it":                                      {dozing, left, with(since(6*time.Hour), func(r *Record) { r.Power, r.GivesWay = v1alpha1.PowerAlwaysOn, true }), Decision{Awake: true, Dozing: true, Reason: ReasonDozeAfter}},
		"with every clock off it stays awake":                         {Policy{}, Activity{}, Record{AwakeSince: ago(1000 * time.Hour)}, Decision{Awake: true, Reason: ReasonVisited}},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.want, Decide(noon, c.policy, c.activity, c.record))
		})
	}
}
