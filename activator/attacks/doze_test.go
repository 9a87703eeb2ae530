package attacks

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/nodeapi/nodeapitest"
	"github.com/org/vdi-operator/pkg/token"
)

// asleepInPlace has alice's desktop doze on a node, whose program it returns.
func (h *house) asleepInPlace(t *testing.T) *nodeapitest.Program {
	t.Helper()
	h.awaken()
	program := nodeapitest.Start(t, h.Signer.Verifier(), "node-1")
	at, issued := metav1.NewMicroTime(time.Now()), time.Now()
	sign := func(action token.Action, at time.Time) string {
		order, err := h.Signer.SignOrder(token.Order{Action: action, Pod: types.NamespacedName{Namespace: h.alice.Namespace, Name: "p"}, PodUID: "p",
			Session: h.alice.UID, Node: "node-1", Issued: at}, token.OrderLife)
		require.NoError(t, err)
		return order
	}
	program.Freeze(t, sign(token.ActionFreeze, issued))
	h.Change(func(s *v1alpha1.VDISession) {
		s.Status.StartTime, s.Status.ReadyTime, s.Status.Phase = &at, &at, v1alpha1.PhaseDozing
		s.Status.Lifecycle = &v1alpha1.Lifecycle{DozeAfter: v1alpha1.NewDuration(time.Minute)}
		s.Status.Doze = &v1alpha1.SessionDoze{Since: at, FrozenAt: &at, Pod: "p", PodUID: "p", Node: "node-1", Address: program.Address.String(),
			Thaw: sign(token.ActionThaw, issued.Add(time.Millisecond))}
	})
	return program
}

// Whoever is not let in, and whatever asks without a person, leaves a dozing desktop as it is:
// a thaw costs memory and a processor as a wake does.
func TestNobodyWithoutARightThawsADesktop(t *testing.T) {
	h := build(t)
	program := h.asleepInPlace(t)
	cookie := h.cookie()
	bobs := "Authorization: Bearer " + h.Token(token.AudienceSession, h.bob, 0)
	rows := []attack{
		{name: "comes with nothing", who: stranger, sent: get("/", victim), want: "401", why: closing.NoToken},
		{name: "comes with bob's token", who: neighbour, sent: get("/", victim, bobs), want: "403", why: closing.ForeignToken},
		{name: "comes with an old token", who: stranger, sent: get("/", victim, "Authorization: Bearer "+h.Token(token.AudienceSession, h.alice, 2*time.Hour)),
			want: "401", why: closing.ExpiredToken},
		{name: "comes with the order", who: stranger, sent: get("/", victim, "Authorization: Bearer "+h.orderOf(t)), want: "401", why: closing.BadToken},
		{name: "asks from elsewhere", who: page, sent: get("/x", victim, cookie, "Origin: https://evil.example"), want: "403", why: closing.ForeignOrigin},
	}
	for _, purpose := range []string{"Sec-Purpose: prefetch", "Sec-Purpose: prefetch;prerender", "Purpose: prefetch", "X-Moz: prefetch", "User-Agent: Slackbot 1.0"} {
		rows = append(rows, attack{name: "loads ahead, " + purpose, who: insider, sent: get("/", victim, cookie, purpose), want: "503", why: closing.Speculative})
	}
	for _, a := range rows {
		t.Run(string(a.who)+": "+a.name, func(t *testing.T) { h.attacked(t, a) })
	}
	assert.Equal(t, "freeze", program.Obeyed(), "an attack has thawed the desktop")
	got, raw := h.send(t, h.public, get("/", victim, cookie, "Origin: https://"+victim))
	assert.Equal(t, "200", got, raw)
	assert.Equal(t, "freeze thaw", program.Obeyed(), "alice comes in")
}

// orderOf is the order by which alice's desktop is thawed: no key to any door of ours.
func (h *house) orderOf(t *testing.T) string {
	t.Helper()
	view, ok := h.Directory.Find(victim)
	require.True(t, ok)
	return view.Session.Status.Doze.Thaw
}
