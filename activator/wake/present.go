package wake

import (
	"cmp"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/activator/record"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// person is somebody who is connected, however often.
type person struct{ user, share, role string }

// stay is since when somebody has had connections, and how many.
type stay struct {
	since time.Time
	open  int
}

// Attend is Enter of a WebSocket, or Look where its visitor may not wake the desktop: until Leave
// what is written says that they are connected. The share is that whose link let them in.
func (t *Tracker) Attend(s *v1alpha1.VDISession, user, share, role string, wakes bool) *Visit {
	t.mu.Lock()
	defer t.mu.Unlock()
	key, now := client.ObjectKeyFromObject(s), time.Now()
	v, who := t.of(key), person{user, share, role}
	if v.people[who] == nil {
		v.people[who] = &stay{since: now}
	}
	v.people[who].open++
	goes := func() {
		if v.people[who].open--; v.people[who].open == 0 {
			delete(v.people, who)
		}
	}
	if wakes {
		visit := t.enter(s, now)
		visit.goes = goes
		return visit
	}
	v.looking++
	t.start(key, v)
	visit := t.Look(s)
	visit.goes = func() {
		goes()
		v.looking--
		v.nudge()
	}
	return visit
}

// present is who is connected to a session, those who came first before the others.
func (t *Tracker) present(v *visited) *record.Presence {
	t.mu.Lock()
	defer t.mu.Unlock()
	says := &record.Presence{Replica: t.replica}
	for who, stays := range v.people {
		says.People = append(says.People, v1alpha1.PresentPerson{User: who.user, Share: who.share, Role: who.role,
			Since: metav1.MicroTime{Time: stays.since}})
	}
	slices.SortFunc(says.People, func(a, b v1alpha1.PresentPerson) int {
		return cmp.Or(a.Since.Compare(b.Since.Time), cmp.Compare(a.User, b.User), cmp.Compare(a.Share, b.Share), cmp.Compare(a.Role, b.Role))
	})
	return says
}
