package workload

import (
	"encoding/json"
	"fmt"
)

// drifted says that somebody else has changed an object: it lacks something of what was
// desired. What the API server has added is no difference.
func (a applied[T]) drifted(existing, desired T) (bool, error) {
	var has, wants any
	for from, to := range map[any]*any{existing: &has, desired: &wants} {
		raw, err := json.Marshal(a.spec(from.(T)))
		if err == nil {
			err = json.Unmarshal(raw, to)
		}
		if err != nil {
			return false, fmt.Errorf("compare %s %s with what it should be: %w", a.what, desired.GetName(), err)
		}
	}
	return !includes(has, wants), nil
}

// includes says that a value decoded from JSON has all that another one wants. Lists are as
// long as they should be.
func includes(has, wants any) bool {
	switch wants := wants.(type) {
	case map[string]any:
		object, ok := has.(map[string]any)
		ok = ok || len(wants) == 0
		for key, value := range wants {
			ok = ok && includes(object[key], value)
		}
		return ok
	case []any:
		list, ok := has.([]any)
		ok = ok && len(list) == len(wants)
		for i := range wants {
			ok = ok && includes(list[i], wants[i])
		}
		return ok
	default:
		return has == wants
	}
}
