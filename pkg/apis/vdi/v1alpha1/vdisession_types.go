package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// VDISessionSpec is one person's desktop.
type VDISessionSpec struct {
	// User is the owner: an e-mail address or the identity provider's subject. A
	// link or token must be issued to this user.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec.user cannot change: create another session for another user"
	// +kubebuilder:validation:XValidation:rule="!self.matches('[[:cntrl:]]')",message="spec.user must not hold control characters"
	// +kubebuilder:validation:XValidation:rule="self.matches('[[:cntrl:]]') || self == self.trim()",message="spec.user must not be blank, nor begin or end with a blank: it must be what the identity provider says, such as ada@example.com"
	User string `json:"user"`

	// Template names the VDITemplate. It may appear later than the session.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec.template cannot change: create another session for another template"
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="spec.template must be the name of a VDITemplate: characters a-z, 0-9 and '-'"
	Template string `json:"template"`

	// Resources replace the template's defaults one by one.
	// +optional
	Resources *SessionResources `json:"resources,omitempty"`

	// Persistence replaces the template's home settings one by one.
	// +optional
	Persistence *SessionPersistence `json:"persistence,omitempty"`

	// Timeout puts the desktop to sleep when it has been awake for this long; the
	// same clock as lifecycle.maxDuration, and it wins over it. 0s switches it off.
	// +optional
	Timeout *Duration `json:"timeout,omitempty"`

	// Lifecycle sets this session's clocks.
	// +optional
	Lifecycle *Lifecycle `json:"lifecycle,omitempty"`

	// Power is OnDemand (wake when visited, sleep when left), AlwaysOn or Off.
	// +optional
	// +kubebuilder:default=OnDemand
	Power Power `json:"power,omitempty"`

	// WakeAt asks for the desktop, as a visit at that time does; the disconnect timeout runs
	// from then. A time from before the session's creation asks for nothing.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`[.][0-9]{6}(Z|[+-][0-9]{2}:[0-9]{2})$`
	WakeAt *metav1.MicroTime `json:"wakeAt,omitempty"`

	// SleepAt puts the desktop to sleep at once if it woke before that time, in use or not,
	// unless spec.power is AlwaysOn. After it only a person wakes the desktop.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`[.][0-9]{6}(Z|[+-][0-9]{2}:[0-9]{2})$`
	SleepAt *metav1.MicroTime `json:"sleepAt,omitempty"`

	// Shares let others in beside the owner.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Shares []Share `json:"shares,omitempty"`
}

// Power says who decides whether a desktop is awake.
// +kubebuilder:validation:Enum=OnDemand;AlwaysOn;Off
type Power string

const (
	// PowerOnDemand wakes on a visit and sleeps by the clocks.
	PowerOnDemand Power = "OnDemand"
	// PowerAlwaysOn never sleeps.
	PowerAlwaysOn Power = "AlwaysOn"
	// PowerOff never wakes.
	PowerOff Power = "Off"
)

// SessionResources replace a template's default resources.
type SessionResources struct {
	// GPU is the number of GPUs; 0 is a desktop without one.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=64
	GPU *int32 `json:"gpu,omitempty"`

	// Memory is the memory limit and request.
	// +optional
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self)) && !quantity(string(self)).isLessThan(quantity('16Mi'))",message="must be a quantity of 16Mi or more with its unit, such as 512Mi or 4Gi: without one it counts bytes"
	Memory *resource.Quantity `json:"memory,omitempty"`

	// CPU is the CPU limit; the request is a quarter of it.
	// +optional
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self)) && quantity(string(self)).isGreaterThan(quantity('0'))",message="must be a quantity above zero, such as 500m or 2"
	CPU *resource.Quantity `json:"cpu,omitempty"`
}

// SessionPersistence replaces a template's home settings.
type SessionPersistence struct {
	// Enabled gives the session a home, or none.
	// +optional
	Enabled *bool `json:"enabled,omitempty"`

	// Size is the size of a new home; an existing one keeps its size.
	// +optional
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self)) && !quantity(string(self)).isLessThan(quantity('1Mi'))",message="must be a quantity of 1Mi or more with its unit, such as 10Gi: without one it counts bytes"
	Size *resource.Quantity `json:"size,omitempty"`

	// ReclaimPolicy says what happens to the home when this session is deleted. Retain
	// keeps it where the template says Delete; Delete does not delete it where the
	// template says Retain.
	// +optional
	ReclaimPolicy ReclaimPolicy `json:"reclaimPolicy,omitempty"`
}

// Phase is a one-word summary for people; programs read the conditions.
// +kubebuilder:validation:Enum=Pending;Creating;Running;Dozing;Asleep;Terminating;Failed
type Phase string

const (
	// PhasePending says that something is missing that the session needs.
	PhasePending Phase = "Pending"
	// PhaseCreating says that the desktop wakes and is not reachable yet.
	PhaseCreating Phase = "Creating"
	// PhaseRunning says that the desktop is reachable.
	PhaseRunning Phase = "Running"
	// PhaseDozing says that the desktop is frozen in its pod; a visit finds it as it was left.
	PhaseDozing Phase = "Dozing"
	// PhaseAsleep says that there are zero pods; a visit wakes it.
	PhaseAsleep Phase = "Asleep"
	// PhaseTerminating says that the session is being deleted.
	PhaseTerminating Phase = "Terminating"
	// PhaseFailed says that the last wake failed; message says why, and a visit tries again.
	PhaseFailed Phase = "Failed"
)

// SessionActivity is written by the activators. Its times are max-registers: a writer only
// moves them forward, so any number of activators can write them independently. Viewer is
// written under optimistic locking.
type SessionActivity struct {
	// LastWakeTime is when somebody last asked for the desktop while it slept or dozed.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`[.][0-9]{6}(Z|[+-][0-9]{2}:[0-9]{2})$`
	LastWakeTime *metav1.MicroTime `json:"lastWakeTime,omitempty"`
	// LastConnectedTime is when a connection, held or relayed, was last seen open.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`[.][0-9]{6}(Z|[+-][0-9]{2}:[0-9]{2})$`
	LastConnectedTime *metav1.MicroTime `json:"lastConnectedTime,omitempty"`
	// LastInputTime is when somebody last typed or moved the pointer.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`[.][0-9]{6}(Z|[+-][0-9]{2}:[0-9]{2})$`
	LastInputTime *metav1.MicroTime `json:"lastInputTime,omitempty"`
	// LastWatchedTime is when something that sees input last said that it watches: the page
	// around the desktop, the agent beside it, or the connection itself. From then on no input
	// means that nobody typed.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`[.][0-9]{6}(Z|[+-][0-9]{2}:[0-9]{2})$`
	LastWatchedTime *metav1.MicroTime `json:"lastWatchedTime,omitempty"`
	// LastReachedTime is when an activator first reached the desktop at its pod's address
	// after the last start of its container.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`[.][0-9]{6}(Z|[+-][0-9]{2}:[0-9]{2})$`
	LastReachedTime *metav1.MicroTime `json:"lastReachedTime,omitempty"`
	// Protocol is the protocol of the last client that reached the desktop. Activators use
	// it where the template's protocol is Auto. The last write wins.
	// +optional
	Protocol StreamingProtocol `json:"protocol,omitempty"`
	// Traceparent is the trace of the wake at lastWakeTime, which the operator continues: a
	// traceparent of W3C Trace Context, version 00. It is set where tracing is on.
	// +optional
	// +kubebuilder:validation:MaxLength=55
	// +kubebuilder:validation:Pattern=`^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`
	Traceparent string `json:"traceparent,omitempty"`
	// Viewer is the page that shows the desktop, where the desktop takes one viewer only.
	// It neither wakes the desktop nor counts as activity.
	// +optional
	Viewer *SessionViewer `json:"viewer,omitempty"`
	// Shares says how often links of spec.shares were opened. It is written under optimistic
	// locking, and neither wakes the desktop nor counts as activity.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Shares []ShareUse `json:"shares,omitempty"`
	// Present says who is connected, by the name that each replica of the activator chose at its
	// start. It is personal data, and neither wakes the desktop nor counts as activity.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Present map[string]ReplicaPresence `json:"present,omitempty"`
}

// The bounds of status.activity.present, which its definition repeats.
const (
	// MaxPresentReplicas is how many replicas say who is connected; those beyond say nothing.
	MaxPresentReplicas = 64
	// MaxPresentPeople is how many people each names: those who came first.
	MaxPresentPeople = 64
)

// ReplicaPresence is who is connected to a desktop by one replica of the activator.
type ReplicaPresence struct {
	// At is when the replica said so. It says it again every 20 seconds: what is older than a
	// minute counts no more.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`[.][0-9]{6}(Z|[+-][0-9]{2}:[0-9]{2})$`
	At metav1.MicroTime `json:"at"`
	// People are those with a WebSocket open, each once.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	People []PresentPerson `json:"people"`
}

// PresentPerson is somebody who is connected to a desktop.
type PresentPerson struct {
	// User is who it is; empty where they came by a share's link.
	// +optional
	User string `json:"user,omitempty"`
	// Share is the name of the share whose link let them in: whoever came by it is one.
	// +optional
	Share string `json:"share,omitempty"`
	// Role is what they are to the session: Owner, Controller or Viewer.
	Role string `json:"role"`
	// Since is when they came.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`[.][0-9]{6}(Z|[+-][0-9]{2}:[0-9]{2})$`
	Since metav1.MicroTime `json:"since"`
}

// SessionViewer is the page that shows a desktop which takes one viewer only.
type SessionViewer struct {
	// Page is the name that the page chose for itself; empty while no page shows the
	// desktop. Ignored once the desktop has slept since.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9a-f]{32})?$`
	Page string `json:"page"`
	// Since is when the page became the viewer. Connections that another page opened
	// before are closed.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`[.][0-9]{6}(Z|[+-][0-9]{2}:[0-9]{2})$`
	Since metav1.MicroTime `json:"since"`
	// Replica is the activator's replica that the page is connected to, by the name that
	// the replica chose at its start. Only that replica clears the record when the page closes.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Replica string `json:"replica"`
}

// VDISessionStatus is the observed state of a session. The activators write activity, the
// operator everything else.
//
// Its times have microseconds, as metav1.MicroTime requires: one without them would make
// lists of sessions unreadable.
type VDISessionStatus struct {
	// ObservedGeneration is the generation of the session that the rest is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// +optional
	Phase Phase `json:"phase,omitempty"`
	// Message says for people what the session waits for or why it failed. Programs read
	// conditions and waiting.
	// +optional
	Message string `json:"message,omitempty"`
	// URL is where a person opens the session.
	// +optional
	URL string `json:"url,omitempty"`
	// PodName is the current pod; empty while asleep.
	// +optional
	PodName string `json:"podName,omitempty"`
	// StartTime is when the desktop last woke; unset while asleep.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`[.][0-9]{6}(Z|[+-][0-9]{2}:[0-9]{2})$`
	StartTime *metav1.MicroTime `json:"startTime,omitempty"`
	// ReadyTime is when the desktop became reachable after startTime, or lostTime; unset before.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`[.][0-9]{6}(Z|[+-][0-9]{2}:[0-9]{2})$`
	ReadyTime *metav1.MicroTime `json:"readyTime,omitempty"`
	// LostTime is when the awake desktop last lost the pod that it was reachable in: it has
	// to become reachable again within the startup timeout. Unset while that never happened.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`[.][0-9]{6}(Z|[+-][0-9]{2}:[0-9]{2})$`
	LostTime *metav1.MicroTime `json:"lostTime,omitempty"`
	// LastStartDuration is how long the last start that succeeded took, from startTime
	// to readyTime; it stays while the desktop sleeps.
	// +optional
	LastStartDuration *metav1.Duration `json:"lastStartDuration,omitempty"`
	// SleepTime is when the desktop was last put to sleep.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`[.][0-9]{6}(Z|[+-][0-9]{2}:[0-9]{2})$`
	SleepTime *metav1.MicroTime `json:"sleepTime,omitempty"`
	// SleepReason is the reason of that sleep, such as IdleTimeout.
	// +optional
	SleepReason string `json:"sleepReason,omitempty"`
	// GPUUse is what the desktop took of GPUs on the day of its last sleep and on the six days
	// before, written at each sleep: of the present wake it has nothing.
	// +optional
	// +listType=map
	// +listMapKey=day
	// +kubebuilder:validation:MaxItems=7
	GPUUse []GPUDay `json:"gpuUse,omitempty"`
	// Lifecycle is the clocks that apply.
	// +optional
	Lifecycle *Lifecycle `json:"lifecycle,omitempty"`
	// Shortened is when an edit made clocks of the awake desktop shorter; unset while it sleeps.
	// +optional
	Shortened *ShortenedClocks `json:"shortened,omitempty"`
	// Doze is where and since when the desktop dozes, or is about to; unset otherwise. It is
	// written before the desktop is frozen, and goes after it was thawed.
	// +optional
	Doze *SessionDoze `json:"doze,omitempty"`
	// Streaming is the template's spec.streaming, which the activators read here: of an awake
	// desktop as it was at its wake.
	// +optional
	Streaming *StreamingSpec `json:"streaming,omitempty"`
	// Access is the template's spec.access, which the activators read here: of an awake
	// desktop as it was at its wake.
	// +optional
	Access *AccessPolicy `json:"access,omitempty"`
	// Waiting is what the start waits for, or what a failed start last waited for; unset
	// otherwise.
	// +optional
	Waiting *SessionWaiting `json:"waiting,omitempty"`
	// +optional
	Activity *SessionActivity `json:"activity,omitempty"`
	// Conditions has TemplateResolved, HomeReady, WorkloadApplied, UpToDate,
	// Awake, Ready and DesktopReady, AccessEnforced where the template has a policy, and Dozing
	// where the desktop may doze.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// GPUDay is what a desktop has taken of GPUs on one day.
type GPUDay struct {
	// Day is the day in UTC, such as 2026-11-29.
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`
	Day string `json:"day"`
	// Seconds is the sum of its GPUs times the seconds for which it was awake.
	// +kubebuilder:validation:Minimum=0
	Seconds int64 `json:"seconds"`
}

// SessionDoze is a desktop that is frozen in its pod, or may be.
type SessionDoze struct {
	// Since is when it was decided. A visit after it ends the doze.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`[.][0-9]{6}(Z|[+-][0-9]{2}:[0-9]{2})$`
	Since metav1.MicroTime `json:"since"`
	// FrozenAt is when the program on the node said that the desktop is frozen; unset until then.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`[.][0-9]{6}(Z|[+-][0-9]{2}:[0-9]{2})$`
	FrozenAt *metav1.MicroTime `json:"frozenAt,omitempty"`
	// Pod and PodUID name the pod.
	Pod    string    `json:"pod"`
	PodUID types.UID `json:"podUID"`
	// Node is the pod's node.
	Node string `json:"node"`
	// Address is where the program on the node listens, with its port.
	Address string `json:"address"`
	// Program is which program was asked; after its restart it is asked again.
	// +optional
	Program string `json:"program,omitempty"`
	// Thaw is an order, signed by the operator, by which activators have the program thaw this
	// desktop. It is good for nothing else, and for nothing once a later order was obeyed.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Thaw string `json:"thaw,omitempty"`
	// GivesWayTo says who needs what the desktop holds: it goes to sleep at once, unless
	// somebody has visited it since it dozes.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	GivesWayTo string `json:"givesWayTo,omitempty"`
	// UnansweredSince is since when the program has not thawed the desktop for a visitor.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`[.][0-9]{6}(Z|[+-][0-9]{2}:[0-9]{2})$`
	UnansweredSince *metav1.MicroTime `json:"unansweredSince,omitempty"`
	// Lost says that nobody could thaw the desktop: its pod ends, and it starts anew.
	// +optional
	Lost bool `json:"lost,omitempty"`
}

// SessionWaiting is what the start of a desktop waits for.
type SessionWaiting struct {
	// Reason is one of the condition Ready, such as WaitingForGPU or ImagePullFailed.
	Reason string `json:"reason"`
	// Resource is the resource of which no node has enough, such as nvidia.com/gpu or memory.
	// +optional
	Resource string `json:"resource,omitempty"`
	// Image is the image that the node pulls, or cannot pull.
	// +optional
	Image string `json:"image,omitempty"`
	// Detail is for people: the message of the scheduler, the kubelet or the runtime.
	// +optional
	Detail string `json:"detail,omitempty"`
	// Since is when the start began to wait for this.
	Since metav1.Time `json:"since"`
	// Until is when this passes by itself at the latest, where that is known.
	// +optional
	Until *metav1.Time `json:"until,omitempty"`
}

// VDISession is one person's desktop: it sleeps at zero pods until its URL is
// visited.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Namespaced,shortName=vdi
// +kubebuilder:printcolumn:name="User",type=string,JSONPath=`.spec.user`
// +kubebuilder:printcolumn:name="Template",type=string,JSONPath=`.spec.template`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="URL",type=string,JSONPath=`.status.url`
// +kubebuilder:printcolumn:name="Idle",type=date,JSONPath=`.status.activity.lastConnectedTime`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.message`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 40 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && !self.metadata.name.contains('--')",message="metadata.name must be at most 40 characters of a-z, 0-9 and single '-', beginning with a letter, because it becomes part of the session's host name"
type VDISession struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec VDISessionSpec `json:"spec"`
	// +optional
	Status VDISessionStatus `json:"status,omitempty"`
}

// VDISessionList is a list of sessions.
//
// +kubebuilder:object:root=true
type VDISessionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []VDISession `json:"items"`
}

// Protocol is how the session's desktop speaks: as its template says, or else as the last client
// that got through; empty while there is neither.
func (s *VDISession) Protocol() StreamingProtocol {
	if named := s.Status.Streaming; named != nil && named.Protocol != ProtocolAuto && named.Protocol != "" {
		return named.Protocol
	}
	if s.Status.Activity != nil {
		return s.Status.Activity.Protocol
	}
	return ""
}
