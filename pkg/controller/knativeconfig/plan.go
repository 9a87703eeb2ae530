package knativeconfig

import (
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// plan is what to do in a place.
type plan struct {
	// claim is every value to own, by config map.
	claim map[string]map[string]string
	// due says that something in the claim is not set, or not ours yet.
	due bool
	// unmet are the keys that are not as desktops need them, those in conflict included.
	unmet []field
	// conflicts are the keys that somebody else sets otherwise; they stay.
	conflicts []conflict
}

// field is a key of one of Knative's config maps.
type field struct{ configMap, key string }

func (f field) String() string { return f.configMap + ": " + f.key }

// conflict is a key that somebody else sets otherwise.
type conflict struct {
	field
	value, want string
	managers    []string
}

func (c conflict) String() string {
	return fmt.Sprintf("%s is %q, set by %s, and desktops need %q", c.field, c.value, strings.Join(c.managers, " and "), c.want)
}

// decide says what to do in a place. A value that stands as needed is claimed too, so
// that it stays when its other owner goes; not where it has another spelling, which
// would be a conflict over nothing.
func decide(p place, all owners, us client.FieldOwner) plan {
	result := plan{claim: map[string]map[string]string{}}
	for _, need := range p.requirements {
		claim, data := map[string]string{}, p.data(need.configMap)
		for _, key := range need.keys() {
			want, f := need.data[key], field{need.configMap, key}
			have, set := data[key]
			managers := all.of(append(slices.Clone(p.path(need.configMap)), key)...)
			ours := slices.Contains(managers, string(us))
			others := slices.DeleteFunc(managers, func(m string) bool { return m == string(us) })
			switch {
			case set && have == want:
				claim[key] = want
				result.due = result.due || !ours
			case set && strings.EqualFold(have, want):
			case set && len(others) > 0:
				result.unmet = append(result.unmet, f)
				result.conflicts = append(result.conflicts, conflict{field: f, value: have, want: want, managers: others})
			default:
				result.unmet = append(result.unmet, f)
				claim[key] = want
				result.due = true
			}
		}
		result.claim[need.configMap] = claim
	}
	return result
}
