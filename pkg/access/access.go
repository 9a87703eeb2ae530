// Package access says who may do what with a session: one table, which the activator, the
// portal and the plugin ask.
//
// It is pure: who a person is was found out before, and nothing is read here but the session
// and the clock that is given.
package access

import (
	"slices"
	"time"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// Role is what a person is to a session.
type Role string

const (
	// Nobody may do nothing, and learns nothing: not even that there is such a session.
	Nobody Role = ""
	// Viewer sees the desktop while it is awake.
	Viewer Role = "Viewer"
	// Controller sees it, types in it and wakes it.
	Controller Role = "Controller"
	// Owner is spec.user.
	Owner Role = "Owner"
	// Admin looks after the installation's sessions, and into none of them.
	Admin Role = "Admin"
)

// Action is something that a person does with a session.
type Action string

const (
	// See is to be connected to the desktop.
	See Action = "see"
	// Control is to type in it, to move its pointer and to keep it awake.
	Control Action = "control"
	// Wake is to start it.
	Wake Action = "wake"
	// Sleep is to put it to sleep.
	Sleep Action = "sleep"
	// Share is to let others in, and to end that.
	Share Action = "share"
	// Delete is to delete the session.
	Delete Action = "delete"
	// Inspect is to read its state: its phase and its clocks.
	Inspect Action = "inspect"
	// SeeWho is to read who is connected, and with whom it is shared.
	SeeWho Action = "see_who"
)

// table is who may do what.
var table = map[Role][]Action{
	Viewer:     {See, Inspect},
	Controller: {See, Control, Wake, Inspect},
	Owner:      {See, Control, Wake, Sleep, Share, Delete, Inspect, SeeWho},
	// An administrator who has to look into a desktop is let in by its owner.
	Admin: {Sleep, Delete, Inspect, SeeWho},
}

// Person is somebody who has signed in; the zero Person is nobody.
type Person struct {
	// User is what spec.user and a share's user are compared with.
	User string
	// Admin says that the person looks after the installation's sessions.
	Admin bool
}

// RolesOf are the roles of a person in a session now, none for a stranger: an owner may look
// after sessions as well.
func RolesOf(p Person, s *v1alpha1.VDISession, now time.Time) (roles []Role) {
	if p.User != "" && p.User == s.Spec.User {
		roles = append(roles, Owner)
	}
	for i := range s.Spec.Shares {
		if share := &s.Spec.Shares[i]; p.User != "" && share.User == p.User && Holds(share, now) {
			roles = append(roles, Role(share.Role))
		}
	}
	if p.Admin {
		roles = append(roles, Admin)
	}
	return roles
}

// Holds says that a share has not ended.
func Holds(share *v1alpha1.Share, now time.Time) bool {
	return share.ExpiresAt == nil || now.Before(share.ExpiresAt.Time)
}

// By is the one of a person's roles by which they do something: of those that may do it the one that
// may do most; of all where none may.
func By(roles []Role, do Action) Role {
	if len(roles) == 0 {
		return Nobody
	}
	return slices.MaxFunc(roles, func(a, b Role) int {
		if may := Allows([]Role{a}, do); may != Allows([]Role{b}, do) {
			return map[bool]int{true: 1, false: -1}[may]
		}
		return len(table[a]) - len(table[b])
	})
}

// Allows says that one of the roles may do it.
func Allows(roles []Role, do Action) bool {
	for _, role := range roles {
		for _, may := range table[role] {
			if may == do {
				return true
			}
		}
	}
	return false
}
