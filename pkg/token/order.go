package token

import (
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"k8s.io/apimachinery/pkg/types"
)

// Action is what an order asks for.
type Action string

// The actions of orders.
const (
	ActionFreeze Action = "freeze"
	ActionThaw   Action = "thaw"
	// ActionPressure asks for the node's memory pressure: such an order names no pod.
	ActionPressure Action = "pressure"
)

// OrderLife is how long an order is good that is sent as soon as it is signed; a verifier
// adds the leeway for clocks that differ.
const OrderLife = 30 * time.Second

// Order asks the program on a node to freeze or to thaw the desktop of one pod, or how the node is.
//
// Orders of one pod are obeyed in the order of Issued, so whoever gives several of one pod
// gives each another millisecond. An order may be shown again: it asks for the same, and
// counts for nothing once a later one was obeyed.
type Order struct {
	Action Action
	// Pod and PodUID name the pod; the UID keeps an order from a later pod of that name.
	Pod    types.NamespacedName
	PodUID types.UID
	// Session is the UID of the session that the pod is of.
	Session types.UID
	// Node is the name of the node that the pod is on.
	Node string
	// Issued is when the order was given, to the millisecond.
	Issued time.Time
}

type orderClaims struct {
	jwt.RegisteredClaims
	Action       Action    `json:"vdi_action"`
	Pod          string    `json:"vdi_pod"`
	PodUID       types.UID `json:"vdi_pod_uid"`
	Session      types.UID `json:"vdi_uid"`
	Milliseconds int64     `json:"vdi_issued_ms"`
}

// check says what an order lacks.
func (o Order) check() error {
	ofPod := o.Action == ActionFreeze || o.Action == ActionThaw
	switch {
	case !ofPod && o.Action != ActionPressure:
		return fmt.Errorf("action %q: must be %s, %s or %s", o.Action, ActionFreeze, ActionThaw, ActionPressure)
	case !ofPod && (o.Pod != types.NamespacedName{} || o.PodUID != "" || o.Session != ""):
		return fmt.Errorf("action %s is of no pod, and the order names %q of session %q", o.Action, o.Pod, o.Session)
	case ofPod && (o.Pod.Namespace == "" || o.Pod.Name == "" || o.PodUID == ""):
		return fmt.Errorf("pod %q with UID %q: namespace, name and UID are required", o.Pod, o.PodUID)
	case ofPod && o.Session == "":
		return errors.New("the session's UID is missing")
	case o.Node == "":
		return errors.New("the node's name is missing")
	case o.Issued.UnixMilli() <= 0:
		return errors.New("the time of issue is missing")
	}
	return nil
}

// SignOrder signs an order that expires ttl after it was issued.
func (s *Signer) SignOrder(o Order, ttl time.Duration) (string, error) {
	if err := o.check(); err != nil {
		return "", fmt.Errorf("cannot sign an order: %w", err)
	}
	if ttl <= 0 {
		return "", fmt.Errorf("token lifetime %s: must be above zero", ttl)
	}
	return s.sign(orderClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    Issuer,
			Subject:   o.Node,
			Audience:  jwt.ClaimStrings{string(AudienceNode)},
			IssuedAt:  jwt.NewNumericDate(o.Issued.Add(-leeway)),
			ExpiresAt: jwt.NewNumericDate(o.Issued.Add(ttl)),
		},
		Action:       o.Action,
		Pod:          o.Pod.String(),
		PodUID:       o.PodUID,
		Session:      o.Session,
		Milliseconds: o.Issued.UnixMilli(),
	})
}

// VerifyOrder checks an order as Verify checks other tokens. That it is for this node, this
// pod and this action, and not overtaken, is left to the caller.
func (v *Verifier) VerifyOrder(raw string, now time.Time) (Order, error) {
	var c orderClaims
	if _, err := v.parse(AudienceNode, raw, now, &c); err != nil {
		return Order{}, err
	}
	pod, ok := parseName(c.Pod)
	if c.Action == ActionPressure {
		ok = c.Pod == pod.String()
	}
	o := Order{Action: c.Action, Pod: pod, PodUID: c.PodUID, Session: c.Session, Node: c.Subject, Issued: time.UnixMilli(c.Milliseconds)}
	if !ok || o.check() != nil {
		return Order{}, ErrMalformed
	}
	return o, nil
}
