// Package presence reads off a session who is connected to its desktop: what each replica of the
// activator says, as one list.
//
// It is pure. Who may read the list is access.SeeWho's to say.
package presence

import (
	"cmp"
	"slices"
	"time"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// HoldsFor is how long a replica's word counts: it is given anew long before, and a replica that
// died takes none back.
const HoldsFor = time.Minute

// Fresh says that a replica's word counts at now, by whichever of the two clocks is ahead.
func Fresh(r v1alpha1.ReplicaPresence, now time.Time) bool {
	return now.Sub(r.At.Time).Abs() < HoldsFor
}

// In are those who are connected at now, the owner first, then by name. Who is connected by
// several replicas or ways is there once, as what they may do most, since they first came.
func In(s *v1alpha1.VDISession, now time.Time) (people []v1alpha1.PresentPerson) {
	if s.Status.Activity == nil {
		return nil
	}
	for _, r := range s.Status.Activity.Present {
		if Fresh(r, now) {
			people = append(people, r.People...)
		}
	}
	slices.SortFunc(people, func(a, b v1alpha1.PresentPerson) int {
		return cmp.Or(cmp.Compare(a.User, b.User), cmp.Compare(a.Share, b.Share), cmp.Compare(rank(a), rank(b)), a.Since.Compare(b.Since.Time))
	})
	people = slices.CompactFunc(people, func(kept, next v1alpha1.PresentPerson) bool {
		return kept.User == next.User && kept.Share == next.Share
	})
	slices.SortStableFunc(people, func(a, b v1alpha1.PresentPerson) int { return cmp.Compare(rank(a), rank(b)) })
	return people
}

// roles are in the order of what they may do.
var roles = []string{"Owner", string(v1alpha1.ShareController), string(v1alpha1.ShareViewer)}

func rank(p v1alpha1.PresentPerson) int {
	if at := slices.Index(roles, p.Role); at >= 0 {
		return at
	}
	return len(roles)
}
