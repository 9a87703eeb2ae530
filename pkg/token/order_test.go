package token

import (
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
)

var order = Order{Action: ActionFreeze, Pod: types.NamespacedName{Namespace: "team", Name: "ada-0"}, PodUID: "p-1", Session: "1-2-3",
	Node: "node-a", Issued: now.Add(123 * time.Millisecond)}

func TestAnOrderComesBackAsItWasSigned(t *testing.T) {
	s, v, _ := pair(t)
	raw, err := s.SignOrder(order, OrderLife)
	require.NoError(t, err)
	got, err := v.VerifyOrder(raw, now.Add(OrderLife))
	require.NoError(t, err)
	assert.True(t, got.Issued.Equal(order.Issued), "the millisecond of issue is %s", got.Issued)
	got.Issued = order.Issued
	assert.Equal(t, order, got)

	asked := Order{Action: ActionPressure, Node: "node-a", Issued: order.Issued}
	raw, err = s.SignOrder(asked, OrderLife)
	require.NoError(t, err)
	got, err = v.VerifyOrder(raw, now)
	require.NoError(t, err)
	got.Issued = asked.Issued
	assert.Equal(t, asked, got)
}

func TestAnOrderIsGoodForItsLifeAndTheLeeway(t *testing.T) {
	s, v, _ := pair(t)
	raw, err := s.SignOrder(order, OrderLife)
	require.NoError(t, err)
	for after, want := range map[time.Duration]error{
		-50 * time.Second: nil, -2 * time.Minute: ErrNotYet, OrderLife + leeway - time.Second: nil, OrderLife + leeway + 2*time.Second: ErrExpired,
	} {
		_, err := v.VerifyOrder(raw, now.Add(after))
		assert.ErrorIs(t, err, want, "%s after it was issued", after)
	}
}

func TestNoOtherTokenIsAnOrderAndAnOrderIsNoOther(t *testing.T) {
	s, v, _ := pair(t)
	raw, err := s.SignOrder(order, OrderLife)
	require.NoError(t, err)
	for _, aud := range []Audience{AudienceSession, AudienceTURN, AudienceAgent} {
		_, _, err := v.Verify(aud, raw, now)
		assert.ErrorIs(t, err, ErrMalformed, "an order as %s", aud)
		_, err = v.VerifyOrder(sign(t, s, aud, time.Hour), now)
		assert.ErrorIs(t, err, ErrMalformed, "%s as an order", aud)
	}
	_, err = v.VerifyOrder(sign(t, s, AudienceNode, time.Hour), now)
	assert.ErrorIs(t, err, ErrMalformed, "a token with no order in it")
	_, another, _ := pair(t)
	_, err = another.VerifyOrder(raw, now)
	assert.ErrorIs(t, err, ErrMalformed, "another installation's order")
}

func TestAnOrderThatLacksSomethingIsNeitherSignedNorObeyed(t *testing.T) {
	s, v, _ := pair(t)
	for name, change := range map[string]func(*Order){
		"another action": func(o *Order) { o.Action = "kill" },
		"no action":      func(o *Order) { o.Action = "" },
		"no namespace":   func(o *Order) { o.Pod.Namespace = "" },
		"no pod":         func(o *Order) { o.Pod.Name = "" },
		"no pod's UID":   func(o *Order) { o.PodUID = "" },
		"no session":     func(o *Order) { o.Session = "" },
		"no node":        func(o *Order) { o.Node = "" },
		"no time":        func(o *Order) { o.Issued = time.Time{} },
		"a pod too many": func(o *Order) { o.Action = ActionPressure },
	} {
		o := order
		change(&o)
		_, err := s.SignOrder(o, OrderLife)
		require.Error(t, err, "%s: it was signed", name)
		raw, err := jwt.NewWithClaims(jwt.SigningMethodES256, orderClaims{
			RegisteredClaims: jwt.RegisteredClaims{Issuer: Issuer, Subject: o.Node, Audience: jwt.ClaimStrings{string(AudienceNode)},
				ExpiresAt: jwt.NewNumericDate(now.Add(time.Hour))},
			Action: o.Action, Pod: o.Pod.String(), PodUID: o.PodUID, Session: o.Session, Milliseconds: o.Issued.UnixMilli(),
		}).SignedString(s.key.Load())
		require.NoError(t, err)
		_, err = v.VerifyOrder(raw, now)
		assert.ErrorIs(t, err, ErrMalformed, name)
	}
	_, err := s.SignOrder(order, 0)
	assert.Error(t, err, "an order without a life was signed")
}
