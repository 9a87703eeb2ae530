package access

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

func TestWhoMayDoWhat(t *testing.T) {
	actions := []Action{See, Control, Wake, Sleep, Share, Delete, Inspect, SeeWho}
	for role, may := range map[Role]string{
		Nobody:     "........",
		Viewer:     "x.....x.",
		Controller: "xxx...x.",
		Owner:      "xxxxxxxx",
		Admin:      "...x.xxx",
	} {
		for i, do := range actions {
			assert.Equal(t, may[i] == 'x', Allows([]Role{role}, do), "%s: %s", role, do)
		}
	}
	assert.False(t, Allows(nil, Inspect))
	assert.True(t, Allows([]Role{Viewer, Admin}, Sleep), "any of the roles")
}

func TestWhatAPersonIsToASession(t *testing.T) {
	now := time.Now()
	ended, later := metav1.NewTime(now), metav1.NewTime(now.Add(time.Second))
	s := &v1alpha1.VDISession{Spec: v1alpha1.VDISessionSpec{User: "ada", Shares: []v1alpha1.Share{
		{Name: "a", User: "bob", Role: v1alpha1.ShareViewer, ExpiresAt: &later},
		{Name: "b", User: "eve", Role: v1alpha1.ShareController, ExpiresAt: &ended},
		{Name: "c", Link: &v1alpha1.ShareLink{}, Role: v1alpha1.ShareController},
	}}}
	for p, want := range map[Person][]Role{
		{}:                         nil,
		{User: "ada"}:              {Owner},
		{User: "bob"}:              {Viewer},
		{User: "eve"}:              nil,
		{User: "Ada"}:              nil,
		{User: "ada", Admin: true}: {Owner, Admin},
		{User: "zoe", Admin: true}: {Admin},
	} {
		assert.Equal(t, want, RolesOf(p, s, now), "%+v", p)
	}
	assert.Nil(t, RolesOf(Person{}, &v1alpha1.VDISession{}, now), "nobody owns a session without a user")
}

func TestByWhichRoleSomebodyWithSeveralDoesSomething(t *testing.T) {
	for _, tc := range []struct {
		roles []Role
		do    Action
		want  Role
	}{
		{nil, See, Nobody},
		{[]Role{Viewer}, Control, Viewer},
		{[]Role{Viewer, Controller}, See, Controller},
		{[]Role{Viewer, Controller, Viewer, Admin}, See, Controller},
		{[]Role{Owner, Admin}, Delete, Owner},
		{[]Role{Viewer, Admin}, See, Viewer},
		{[]Role{Controller, Admin}, Delete, Admin},
		{[]Role{Viewer, Controller}, Delete, Controller},
	} {
		assert.Equal(t, tc.want, By(tc.roles, tc.do), "%v: %s", tc.roles, tc.do)
	}
}
