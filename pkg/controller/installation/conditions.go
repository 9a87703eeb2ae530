// Package installation reports the conditions of an installation, which its parts set: as a
// list in a ConfigMap, as Events and as a metric.
//
// It promises that the report is current while a leader runs, whether or not its controllers
// could start, and that only changes are written. It decides no condition itself.
//
// To change a condition, change the call of Set in the part that decides it; a new one has
// its type and reasons in pkg/apis/vdi/v1alpha1/reasons.go and is listed in
// cmd/operator/installation.go.
package installation

import (
	"maps"
	"slices"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Metrics shows conditions.
type Metrics interface {
	Condition(conditionType string, status metav1.ConditionStatus)
}

// Conditions are what the parts of one replica know.
type Conditions struct {
	types   []string
	metrics Metrics
	// changed holds one signal that something is new.
	changed chan struct{}

	mu sync.Mutex
	// now is guarded by mu.
	now map[string]metav1.Condition
}

// NewConditions takes conditions of these types.
func NewConditions(metrics Metrics, types ...string) *Conditions {
	return &Conditions{types: types, metrics: metrics, changed: make(chan struct{}, 1), now: map[string]metav1.Condition{}}
}

// Set says how a condition is now. The reason is one word in CamelCase; the message says
// what is the matter and, where the status is False, what to do about it.
func (c *Conditions) Set(conditionType string, status metav1.ConditionStatus, reason, message string) {
	c.metrics.Condition(conditionType, status)
	next := metav1.Condition{Type: conditionType, Status: status, Reason: reason, Message: strings.TrimSpace(message)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now[conditionType] == next {
		return
	}
	c.now[conditionType] = next
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// known are the conditions that were set.
func (c *Conditions) known() []metav1.Condition {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Values(c.now))
}
