package lifecycle

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

func TestSilenceCountsOnlyWhileSomebodyListens(t *testing.T) {
	long := Policy{Lifecycle: v1alpha1.Lifecycle{DisconnectTimeout: v1alpha1.NewDuration(5 * time.Minute)}}
	short := Policy{Lifecycle: v1alpha1.Lifecycle{DisconnectTimeout: v1alpha1.NewDuration(10 * time.Second)}}
	began := ago(time.Hour)
	awake := func(until time.Time) Decision { return Decision{Awake: true, Reason: ReasonVisited, Until: until} }
	asleep := Decision{Reason: ReasonDisconnected}
	for name, c := range map[string]struct {
		policy    Policy
		listening Listening
		silent    time.Duration
		want      Decision
	}{
		"an activator was heard just now":              {long, Listening{Began: began, Heard: noon}, 6 * time.Minute, asleep},
		"and after the timeout":                        {long, Listening{Began: began, Heard: ago(9 * time.Second)}, 6 * time.Minute, asleep},
		"nobody listens":                               {long, Listening{Began: began, Heard: ago(time.Minute), Nobody: true}, 6 * time.Minute, awake(time.Time{})},
		"nobody has been heard since the timeout":      {short, Listening{Began: began, Heard: ago(9 * time.Second)}, 15 * time.Second, awake(noon.Add(heardAgain))},
		"somebody has been":                            {short, Listening{Began: began, Heard: ago(9 * time.Second)}, 20 * time.Second, asleep},
		"nobody has been heard at all":                 {long, Listening{Began: began}, 6 * time.Minute, awake(noon.Add(heardAgain))},
		"the timeout is still to come":                 {long, Listening{Began: began, Heard: ago(9 * time.Second)}, 4 * time.Minute, awake(noon.Add(time.Minute))},
		"activators came back a minute ago":            {long, Listening{Began: began, Returned: ago(time.Minute), Heard: noon}, time.Hour, awake(noon.Add(4 * time.Minute))},
		"activators came back a timeout ago":           {long, Listening{Began: began, Returned: ago(5 * time.Minute), Heard: noon}, time.Hour, asleep},
		"they came back before the last one left":      {long, Listening{Began: began, Returned: ago(5 * time.Minute), Heard: noon}, 4 * time.Minute, awake(noon.Add(time.Minute))},
		"they were there, and the operator was not":    {long, Listening{Began: ago(20 * time.Second), Heard: noon}, time.Hour, awake(noon.Add(10 * time.Second))},
		"the operator is back for half a minute":       {long, Listening{Began: ago(30 * time.Second), Heard: noon}, time.Hour, asleep},
		"both were away, and the activators longer":    {long, Listening{Began: ago(time.Minute), Returned: ago(30 * time.Second), Heard: noon}, time.Hour, awake(noon.Add(4*time.Minute + 30*time.Second))},
		"a short timeout after the activators' return": {short, Listening{Began: began, Returned: ago(10 * time.Second), Heard: noon}, time.Hour, asleep},
	} {
		t.Run(name, func(t *testing.T) {
			c.policy.Listening = &c.listening
			assert.Equal(t, c.want, Decide(noon, c.policy, Activity{LastConnected: ago(c.silent)}, Record{AwakeSince: ago(2 * time.Hour), ReadyAt: ago(2 * time.Hour)}))
		})
	}
}
