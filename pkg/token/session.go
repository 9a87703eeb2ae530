package token

import (
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// For is the subject of a token for a session's owner.
func For(s *v1alpha1.VDISession) Subject {
	return Subject{User: s.Spec.User, Session: types.NamespacedName{Namespace: s.Namespace, Name: s.Name}, UID: s.UID}
}

// Opens returns nil when the subject may open the session: it was issued for this
// very object and for its owner.
func (sub Subject) Opens(s *v1alpha1.VDISession) error {
	if sub != For(s) {
		return ErrForeign
	}
	return nil
}

func parseName(s string) (types.NamespacedName, bool) {
	ns, name, ok := strings.Cut(s, string(types.Separator))
	return types.NamespacedName{Namespace: ns, Name: name}, ok && ns != "" && name != ""
}
