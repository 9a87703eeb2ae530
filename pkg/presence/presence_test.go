package presence

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

func TestEveryReplicasPeopleAreInOnceEach(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	at := func(ago time.Duration) metav1.MicroTime { return metav1.NewMicroTime(now.Add(-ago)) }
	person := func(user, share, role string, ago time.Duration) v1alpha1.PresentPerson {
		return v1alpha1.PresentPerson{User: user, Share: share, Role: role, Since: at(ago)}
	}
	s := &v1alpha1.VDISession{}
	assert.Empty(t, In(s, now))
	s.Status.Activity = &v1alpha1.SessionActivity{Present: map[string]v1alpha1.ReplicaPresence{
		"one": {At: at(20 * time.Second), People: []v1alpha1.PresentPerson{
			person("bob", "", "Viewer", time.Hour), person("ada", "", "Owner", time.Minute), person("", "review", "Viewer", time.Minute)}},
		// Its clock is ahead.
		"two": {At: at(-20 * time.Second), People: []v1alpha1.PresentPerson{
			person("ada", "", "Owner", time.Hour), person("bob", "", "Controller", time.Minute), person("", "pair", "Controller", 0)}},
		"dead":     {At: at(HoldsFor), People: []v1alpha1.PresentPerson{person("eve", "", "Viewer", time.Hour)}},
		"nonsense": {At: at(-HoldsFor), People: []v1alpha1.PresentPerson{person("zoe", "", "Viewer", time.Hour)}},
	}}
	assert.Equal(t, []v1alpha1.PresentPerson{
		person("ada", "", "Owner", time.Hour), person("", "pair", "Controller", 0), person("bob", "", "Controller", time.Minute),
		person("", "review", "Viewer", time.Minute)}, In(s, now))
}
