package listening

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/org/vdi-operator/pkg/lifecycle"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// after is a time by the clock of who watches, in seconds after noon.
func after(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }

// told is by the clock of who renews, which is a year ahead.
func told(n int) time.Time { return noon.AddDate(1, 0, n) }

// happens is something that is seen of the Leases.
type happens func(*Record)

func found(name string, n int) happens { return func(r *Record) { r.Found(name, told(n)) } }
func gone(name string) happens         { return func(r *Record) { r.Gone(name) } }
func seen(at int, name string, n int) happens {
	return func(r *Record) { r.Seen(after(at), name, told(n)) }
}

// renews is a Lease that is renewed every ten seconds.
func renews(name string, from, to int) happens {
	return func(r *Record) {
		for at := from; at <= to; at += 10 {
			r.Seen(after(at), name, told(at))
		}
	}
}

func TestWhoListensAndSinceWhenThereHasAlwaysBeenSomebody(t *testing.T) {
	nobody := func(returned, heard time.Time) lifecycle.Listening {
		return lifecycle.Listening{Returned: returned, Heard: heard, Nobody: true}
	}
	somebody := func(returned, heard time.Time) lifecycle.Listening {
		return lifecycle.Listening{Returned: returned, Heard: heard}
	}
	never := time.Time{}
	for name, c := range map[string]struct {
		happened []happens
		at       int
		want     lifecycle.Listening
	}{
		"nothing was seen":                            {nil, 5, nobody(never, never)},
		"a Lease was there before":                    {[]happens{found("a", 0)}, 5, nobody(never, never)},
		"it is renewed":                               {[]happens{found("a", 0), seen(8, "a", 1)}, 9, somebody(never, after(8))},
		"somebody else changes it":                    {[]happens{found("a", 0), seen(8, "a", 0)}, 9, nobody(never, never)},
		"an activator starts soon after the operator": {[]happens{seen(8, "a", 0)}, 9, somebody(never, after(8))},
		"an activator starts long after the operator": {[]happens{seen(40, "a", 0)}, 41, somebody(after(40), after(40))},
		"its last renewal is half a minute old":       {[]happens{renews("a", 0, 100)}, 130, somebody(never, after(100))},
		"and older":                                   {[]happens{renews("a", 0, 100)}, 131, nobody(never, after(100))},
		"it ends":                                     {[]happens{renews("a", 0, 100), gone("a")}, 101, nobody(never, after(100))},
		"it lapses and comes back":                    {[]happens{renews("a", 0, 100), seen(140, "a", 1)}, 141, somebody(after(140), after(140))},
		"it comes back before it lapses":              {[]happens{renews("a", 0, 100), seen(130, "a", 1)}, 131, somebody(never, after(130))},
		"it ends and another one comes":               {[]happens{renews("a", 0, 100), gone("a"), seen(105, "b", 0)}, 106, somebody(after(105), after(105))},
		"another one comes before it ends":            {[]happens{renews("a", 0, 100), seen(105, "b", 0), gone("a")}, 106, somebody(never, after(105))},
		"one of two ends":                             {[]happens{renews("a", 0, 100), renews("b", 3, 103), gone("b")}, 110, somebody(never, after(103))},
		"one of two lapses":                           {[]happens{renews("a", 0, 100), renews("b", 3, 203)}, 210, somebody(never, after(203))},
		"they came and went more than once":           {[]happens{renews("a", 0, 100), renews("a", 200, 300), renews("a", 400, 500)}, 505, somebody(after(400), after(500))},
		"its clock went back":                         {[]happens{seen(8, "a", 5), seen(18, "a", 1)}, 19, somebody(never, after(18))},
		"one is found again when the watch is anew":   {[]happens{renews("a", 0, 100), found("a", 100)}, 110, somebody(never, after(100))},
	} {
		t.Run(name, func(t *testing.T) {
			r := NewRecord(noon)
			for _, happens := range c.happened {
				happens(r)
			}
			assert.Equal(t, c.want, r.Listening(after(c.at), time.Time{}))
			assert.Equal(t, c.want.Nobody, r.Activators(after(c.at)) == 0)
			assert.Equal(t, c.want.Nobody && c.at > 30, r.Missed(after(c.at)), "missed")
		})
	}
}

func TestActivatorsAreCounted(t *testing.T) {
	r := NewRecord(noon)
	for _, happens := range []happens{found("left", 0), renews("a", 0, 100), renews("b", 0, 100), renews("lapsed", 0, 50)} {
		happens(r)
	}
	assert.Equal(t, 2, r.Activators(after(105)))
	assert.Equal(t, after(1), r.Listening(after(105), after(1)).Began, "a replica's own beginning")
}
