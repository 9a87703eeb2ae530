//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/test/harness"
)

// listensAfter is how long after its start Selkies 1.6 listens in its images.
const listensAfter = 3 * time.Second

// sleeper is a desktop's own account of what stands still without a viewer.
type sleeper struct {
	LoopSleeps int `json:"loopSleeps"`
	Viewers    struct {
		Video bool `json:"video"`
	} `json:"viewers"`
}

func sleeperOf(ctx context.Context, v *harness.Visitor) (s sleeper, err error) {
	resp, body, err := v.Get(ctx, "/demo/status", nil)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("the desktop answered %s", resp.Status)
	}
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(body, &s)
}

func TestASelkies16NeverSleepsWhileAPersonWaitsForIt(t *testing.T) {
	t.Parallel()
	for _, layout := range []string{"bare", "egl"} {
		t.Run(layout, func(t *testing.T) {
			t.Parallel()
			ctx := story(t)
			desktop := template(t, func(s *v1alpha1.VDITemplateSpec) {
				s.Streaming.Protocol = v1alpha1.ProtocolSelkies1
				s.Env = append(s.Env, corev1.EnvVar{Name: "DESKTOP_LAYOUT", Value: layout}, corev1.EnvVar{Name: "DESKTOP_BLOCK_LOOP", Value: "2s"},
					corev1.EnvVar{Name: "DESKTOP_START_DELAY", Value: listensAfter.String()})
				s.Lifecycle.DisconnectTimeout = clock(10 * time.Minute)
			})
			var key types.NamespacedName
			var p *person
			var visitor *harness.Visitor
			// On a machine without a free processor for 90 ms the loop may be sooner, which is no
			// fault: another desktop is tried, until the story's time is over.
			for run := 1; ; run++ {
				key = session(ctx, t, fmt.Sprintf("stands-%s-%d", layout, run), desktop, nil)
				p = arrives(ctx, t, key)
				p.sees(harness.DesktopShown + " && " + harness.FirstFrameShown)
				visitor = invited(ctx, t, key)
				slept, err := sleeperOf(ctx, visitor)
				require.NoError(t, err)
				if slept.LoopSleeps == 0 {
					break
				}
				t.Logf("run %d: its loop slept %d times", run, slept.LoopSleeps)
				p.Close() // they would take the processor from the next
				remove(t, &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}})
			}

			// Left alone it sleeps, until somebody comes again.
			p.Close()
			err := eventually.Wait(ctx, "it sleeps, left alone", func() error {
				slept, err := sleeperOf(ctx, visitor)
				if err == nil && (slept.LoopSleeps == 0 || slept.Viewers.Video) {
					err = fmt.Errorf("it slept %d times; it has a viewer: %v", slept.LoopSleeps, slept.Viewers.Video)
				}
				return err
			})
			require.NoError(t, err)
			arrives(ctx, t, key).sees(harness.DesktopShown + " && " + harness.FirstFrameShown)
		})
	}
}
