// Package nodeapi is what the operator and activators say to the program on a node, which
// freezes and thaws desktops: POST without a body to a path below, with an order of package
// token as bearer. All that the program goes by is in the order.
//
// It answers 204 when it is done: after FreezePath the desktop is frozen, and what can be paged
// out follows in the background; after ThawPath the desktop runs. It answers 403 when the order
// is not for this node, this path or this time, 404 when no such pod of this installation is on
// the node, 409 when a later order of the pod was obeyed or the pod ends, and 503, with the
// reason as text, when it cannot.
//
// It answers GET of PressurePath, with such an order of no pod, by a Pressure in JSON.
package nodeapi

// Port is where the program listens, at its pod's address.
const Port = 7080

// Paths.
const (
	FreezePath = "/v1/freeze"
	ThawPath   = "/v1/thaw"
	// PressurePath is asked by the operator alone.
	PressurePath = "/v1/pressure"
)

// ComponentLabel has the value Component on the program's pods, beside the labels that all of an
// installation's pods have.
const (
	ComponentLabel = "app.kubernetes.io/component"
	Component      = "node"
)

// MaxReason is the longest reason, in bytes, that is read of an answer.
const MaxReason = 512
