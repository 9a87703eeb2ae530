//go:build integration

package integration

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
)

// TestAWakeComesBeforeTheRestOfAnEdit looks at the order of events, not at the time they take.
func TestAWakeComesBeforeTheRestOfAnEdit(t *testing.T) {
	const (
		sessions = 400
		// waiting is how many sessions have to wait when the visit comes: the operator takes fifty a
		// second, so that the last of them come 4 s later.
		waiting = 200
		// rounds is how often the test may visit too late, when most of the edit is done.
		rounds = 5
	)
	in := install(t, cluster, api, "edited")
	in.run(false)
	require.NoError(t, api.Create(t.Context(), newTemplate("edited")))
	all := make([]*v1alpha1.VDISession, sessions)
	for i := range all {
		all[i] = newSession("edited", fmt.Sprintf("desktop-%03d", i), "edited")
		all[i].Spec.User = all[i].Name + "@example.com"
		require.NoError(t, api.Create(t.Context(), all[i]))
	}
	list := func() []v1alpha1.VDISession {
		l := &v1alpha1.VDISessionList{}
		require.NoError(t, api.List(t.Context(), l, client.InNamespace("edited")))
		return l.Items
	}
	eventually.NoError(t, "all asleep", func() error {
		for _, s := range list() {
			if s.Status.Phase != v1alpha1.PhaseAsleep {
				return fmt.Errorf("%s is %s", s.Name, s.Status.Phase)
			}
		}
		return nil
	})

	waited := false
	for round := range rounds {
		// An edit that is written to every session: of an image nothing is.
		timeout := time.Duration(round+1) * time.Hour
		merge(t, newTemplate("edited"), fmt.Sprintf(`{"spec":{"lifecycle":{"idleTimeout":%q}}}`, timeout))
		// The sessions that sleep, and have the edit.
		edited := func() (edited []v1alpha1.VDISession) {
			for _, s := range list() {
				if l := s.Status.Lifecycle; l != nil && l.IdleTimeout.OrZero() == timeout && s.Status.Phase == v1alpha1.PhaseAsleep {
					edited = append(edited, s)
				}
			}
			return edited
		}
		s := all[sessions-1-round]
		visit(t, s)
		visited := &v1alpha1.VDISession{}
		require.NoError(t, api.Get(t.Context(), client.ObjectKeyFromObject(s), visited))
		woken := version(t, deploymentOf(t, api, s))
		var done []v1alpha1.VDISession
		eventually.NoError(t, "the edit ends", func() error {
			if done = edited(); len(done) < sessions-1-round {
				return fmt.Errorf("%d of %d are changed", len(done), sessions-1-round)
			}
			return nil
		})
		since := func(v int64) (n int) {
			for i := range done {
				if version(t, &done[i]) > v {
					n++
				}
			}
			return n
		}
		if since(version(t, visited)) < waiting {
			continue
		}
		// A wake that waits for the others does so each time; a busy machine may be late once.
		if since(woken) > 0 {
			return
		}
		waited = true
	}
	require.False(t, waited, "each wake waited for the edit of all others")
	t.Fatalf("in %d edits of %d sessions no visit came while %d were waiting", rounds, sessions, waiting)
}

// version is when an object was last written, as a number that grows with each write.
func version(t *testing.T, o client.Object) int64 {
	t.Helper()
	v, err := strconv.ParseInt(o.GetResourceVersion(), 10, 64)
	require.NoError(t, err)
	return v
}
