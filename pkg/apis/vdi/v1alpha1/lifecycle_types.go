package v1alpha1

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Duration is a length of time as people write it: 90s, 30m, 8h; 0s switches a
// clock off.
//
// +kubebuilder:validation:Type=string
// +kubebuilder:validation:MaxLength=32
// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$')",message="must be a duration such as 90s, 30m or 8h; 0s switches the clock off"
// +kubebuilder:validation:XValidation:rule="!self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') || self.matches('[0-9]{6}h|[0-9]{8}m([^s]|$)|[0-9]{10}s') || duration(self) == duration('0s') || duration(self) >= duration('10s')",message="must be 10s or longer, or 0s to switch the clock off"
// +kubebuilder:validation:XValidation:rule="!self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') || !self.matches('[0-9]{6}h|[0-9]{8}m([^s]|$)|[0-9]{10}s') && duration(self) <= duration('8760h')",message="must be 8760h (a year) or shorter, or 0s to switch the clock off"
type Duration struct {
	metav1.Duration `json:",inline"`
}

// NewDuration returns a duration to set a field to.
func NewDuration(d time.Duration) *Duration { return &Duration{Duration: metav1.Duration{Duration: d}} }

// OrZero is how long it is; 0 where the field is not set.
func (d *Duration) OrZero() time.Duration {
	if d == nil {
		return 0
	}
	return d.Duration.Duration
}

// Lifecycle sets the clocks that put a desktop to sleep, or freeze it first. Each one is read from the
// session, then from the template, then from the chart's values: the nearest wins, and
// "0s" switches a clock off. A clock that runs is 10s at least and 8760h, a year, at
// most. A session's status has the clocks that came out.
type Lifecycle struct {
	// IdleTimeout puts the desktop to sleep when nobody has typed or moved the
	// pointer for this long. It runs from the last input, or from when something
	// has said that it watches for input: the page around the desktop, the agent
	// beside it, or the connection itself. Where nothing does, it does not run.
	// +optional
	IdleTimeout *Duration `json:"idleTimeout,omitempty"`

	// DisconnectTimeout puts the desktop to sleep when no connection has been open
	// for this long.
	// +optional
	DisconnectTimeout *Duration `json:"disconnectTimeout,omitempty"`

	// MaxDuration puts the desktop to sleep when it has been awake for this long,
	// in use or not. A session's spec.timeout is the same clock.
	// +optional
	MaxDuration *Duration `json:"maxDuration,omitempty"`

	// StartupTimeout gives a waking desktop this long to become reachable. After it
	// the wake has failed: held connections are closed with the reason and the
	// desktop goes back to sleep.
	// +optional
	StartupTimeout *Duration `json:"startupTimeout,omitempty"`

	// DozeAfter freezes a desktop in its pod when no connection has been open for this
	// long: the next visit finds it as it was left, in a moment. It needs doze.enabled, and
	// to be shorter than disconnectTimeout, which does not run while the desktop dozes. A
	// desktop that is AlwaysOn dozes only where its own session says so.
	// +optional
	DozeAfter *Duration `json:"dozeAfter,omitempty"`

	// DozeFor puts the desktop to sleep when it has dozed for this long.
	// +optional
	DozeFor *Duration `json:"dozeFor,omitempty"`
}

// ShortenedClocks are the times of the edits, of values, template or session, that made clocks
// of an awake desktop shorter. Each clock then runs out no earlier than its warning takes.
type ShortenedClocks struct {
	// IdleTimeout is when the idle timeout was made shorter.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`[.][0-9]{6}(Z|[+-][0-9]{2}:[0-9]{2})$`
	IdleTimeout *metav1.MicroTime `json:"idleTimeout,omitempty"`

	// DisconnectTimeout is when the disconnect timeout was made shorter.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`[.][0-9]{6}(Z|[+-][0-9]{2}:[0-9]{2})$`
	DisconnectTimeout *metav1.MicroTime `json:"disconnectTimeout,omitempty"`

	// MaxDuration is when the max duration was made shorter.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`[.][0-9]{6}(Z|[+-][0-9]{2}:[0-9]{2})$`
	MaxDuration *metav1.MicroTime `json:"maxDuration,omitempty"`

	// DozeAfter is when the time until a doze was made shorter.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`[.][0-9]{6}(Z|[+-][0-9]{2}:[0-9]{2})$`
	DozeAfter *metav1.MicroTime `json:"dozeAfter,omitempty"`
}
