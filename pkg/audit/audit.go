// Package audit writes who did what with which session, as lines of JSON for whoever has to
// answer for it later: a stream of its own, beside the programs' logs.
//
// It promises that a line has the fields of Event and no others, that no value is longer than
// MaxBytes, and that Version changes when the meaning of a field does. It keeps no secrets out by
// itself: no field is for one. docs/audit.md is the schema.
package audit

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/access"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// Version is the schema's.
const Version = "v1"

// MaxBytes is how long a value may be: more of it, which a stranger may have sent, is cut off.
const MaxBytes = 512

// Kind is what happened.
type Kind string

const (
	// SignIn says that somebody signed in at the portal.
	SignIn Kind = "sign_in"
	// SignInRefused says that somebody tried in vain; reason says why.
	SignInRefused Kind = "sign_in_refused"
	// SignOut says that a sign-in ended, by the person or by what reason says.
	SignOut Kind = "sign_out"
	// Handover says that the portal let a browser into a session.
	Handover Kind = "handover"
	// Refused says that a visitor was not let in, or may not do it; reason says why.
	Refused Kind = "refused"
	// Wake says that a desktop was asked for, or the operator wakes it.
	Wake Kind = "wake"
	// Attach says that somebody's first connection to a desktop was let in.
	Attach Kind = "attach"
	// Detach says that their last one ended.
	Detach Kind = "detach"
	// Share says that somebody let others into a session.
	Share Kind = "share"
	// ShareEnded says that a share was ended.
	ShareEnded Kind = "share_ended"
	// Sleep says that a sleep was asked for, or the operator puts the desktop to sleep.
	Sleep Kind = "sleep"
	// Create says that a session was created.
	Create Kind = "create"
	// Delete says that a session's deletion was asked for, or it is gone.
	Delete Kind = "delete"
)

// Kinds are all of them.
var Kinds = []Kind{SignIn, SignInRefused, SignOut, Handover, Refused, Wake, Attach, Detach, Share, ShareEnded, Sleep, Create, Delete}

// Via is how somebody proved who they are, or the program that acts by itself.
type Via string

const (
	// ViaSignIn is a sign-in at the portal.
	ViaSignIn Via = "sign_in"
	// ViaShare is a share's link.
	ViaShare Via = "share"
	// ViaLink is a link of kubectl vdi link.
	ViaLink Via = "link"
	// ViaForwarded is a proxy in front.
	ViaForwarded Via = "forwarded"
	// ViaBearer is a program's bearer token.
	ViaBearer Via = "bearer"
	// ViaOperator is nobody; the operator decided.
	ViaOperator Via = "operator"
)

// Vias are all of them.
var Vias = []Via{ViaSignIn, ViaShare, ViaLink, ViaForwarded, ViaBearer, ViaOperator}

// Event is one line. A field without a value is left out.
type Event struct {
	Event Kind `json:"event"`
	// User is who did it, by the name that sessions have in spec.user; empty where nobody is known.
	User string `json:"user"`
	Via  Via    `json:"via"`
	// Session, Namespace, UID and Owner are the session that it was done with: see Of.
	Session   string    `json:"session"`
	Namespace string    `json:"namespace"`
	UID       types.UID `json:"uid"`
	Owner     string    `json:"owner"`
	// Role is what the user is to the session.
	Role access.Role `json:"role"`
	// Share is the name of the share that it is about, or that let the user in.
	Share string `json:"share"`
	// From is the address of the user's computer, as far as it is known.
	From string `json:"from"`
	// Reason is a fixed word: of a refusal, a sleep, an end.
	Reason string `json:"reason"`
}

// Of is the event with its session.
func (e Event) Of(s *v1alpha1.VDISession) Event {
	e.Session, e.Namespace, e.UID, e.Owner = s.Name, s.Namespace, s.UID, s.Spec.User
	return e
}

// Log writes events; nil writes none.
type Log struct{ lines *slog.Logger }

// New writes to w, which is standard output in each program; nil where the installation has
// switched it off.
func New(w io.Writer, enabled bool) *Log {
	if !enabled {
		return nil
	}
	return &Log{slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{ReplaceAttr: field})).With("audit", Version)}
}

// field leaves out what only logs have.
func field(_ []string, a slog.Attr) slog.Attr {
	switch a.Key {
	case slog.LevelKey, slog.MessageKey:
		return slog.Attr{}
	case slog.TimeKey:
		return slog.String(a.Key, a.Value.Time().UTC().Format(time.RFC3339Nano))
	}
	return a
}

// Event writes a line.
func (l *Log) Event(e Event) {
	if l == nil {
		return
	}
	l.lines.LogAttrs(context.Background(), slog.LevelInfo, "", e.fields()...)
}

func (e Event) fields() []slog.Attr {
	var all []slog.Attr
	for _, f := range []struct{ name, value string }{
		{"event", string(e.Event)}, {"user", e.User}, {"via", string(e.Via)}, {"session", e.Session}, {"namespace", e.Namespace},
		{"uid", string(e.UID)}, {"owner", e.Owner}, {"role", string(e.Role)}, {"share", e.Share}, {"from", e.From}, {"reason", e.Reason},
	} {
		if f.value != "" {
			all = append(all, slog.String(f.name, short(f.value)))
		}
	}
	return all
}

// short cuts off what is too long, and leaves no half of a character.
func short(s string) string {
	if len(s) <= MaxBytes {
		return s
	}
	return strings.ToValidUTF8(s[:MaxBytes], "")
}
