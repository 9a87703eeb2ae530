package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// The lists of a template's spec are atomic: keyed by name, the API server would refuse every
// change of a template that names something twice, which pods may and templates always could.

// VDITemplateSpec says what a desktop is: its image, its resources and its clocks.
//
// +kubebuilder:validation:XValidation:rule="!has(self.warmPool) || has(self.persistence) && has(self.persistence.enabled) && !self.persistence.enabled",message="warmPool keeps pods that run before anybody has come, and a running pod cannot gain a volume: set persistence.enabled to false, or remove warmPool; an image may mount a home by itself, see docs/warm-pool.md"
type VDITemplateSpec struct {
	// DisplayName is what people see.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	DisplayName string `json:"displayName,omitempty"`

	// Description is a sentence or two for the person who chooses a desktop.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Description string `json:"description,omitempty"`

	// Icon is a URL of an image for this template.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Icon string `json:"icon,omitempty"`

	// Image is the desktop's container image.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.matches('^((([a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)([.]([a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?))*|[[][a-fA-F0-9:]+[]])(:[0-9]+)?/)?[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*)*(:[A-Za-z0-9_][-A-Za-z0-9_.]*)?(@[A-Za-z0-9+._-]+:[0-9a-fA-F]+)?$')",message="must be a container image reference without scheme and blanks, such as ghcr.io/selkies-project/nvidia-egl-desktop:latest"
	Image string `json:"image"`

	// ImagePullSecrets are Secrets in the session's namespace.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`

	// Env is added to the desktop's container, after what the product sets itself.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=256
	Env []corev1.EnvVar `json:"env,omitempty"`

	// Applications are the programs a person finds in the desktop, for portals.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=128
	Applications []Application `json:"applications,omitempty"`

	// Resources are what a session gets that does not say otherwise.
	// +optional
	// +kubebuilder:default={}
	Resources TemplateResources `json:"resources,omitempty"`

	// GPUResourceName is the extended resource of the GPUs: a device, a MIG slice such
	// as nvidia.com/mig-1g.5gb, or a shared device.
	// +optional
	// +kubebuilder:default="nvidia.com/gpu"
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$')",message="must be an extended resource name with a domain, such as nvidia.com/gpu"
	GPUResourceName string `json:"gpuResourceName,omitempty"`

	// Streaming says where and how the desktop serves its viewer.
	// +optional
	// +kubebuilder:default={}
	Streaming StreamingSpec `json:"streaming,omitempty"`

	// Access is what may pass between the desktop and the people who see it: clipboard, files
	// and sound. Without it everything may that the image does.
	// +optional
	Access *AccessPolicy `json:"access,omitempty"`

	// Persistence is the home directory that outlives sleep.
	// +optional
	// +kubebuilder:default={}
	Persistence TemplatePersistence `json:"persistence,omitempty"`

	// SharedMemory is the size of /dev/shm; it counts against the memory limit.
	// +optional
	// +kubebuilder:default="1Gi"
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self)) && (quantity(string(self)).compareTo(quantity('0')) == 0 || !quantity(string(self)).isLessThan(quantity('1Mi')))",message="must be 0, or a quantity of 1Mi or more with its unit, such as 512Mi or 1Gi: without one it counts bytes"
	SharedMemory *resource.Quantity `json:"sharedMemory,omitempty"`

	// Security is what the desktop's container may: Restricted, which suits images that
	// run as an ordinary user, or ImageRoot for those whose init starts as root and gives
	// that up itself, such as linuxserver.io's.
	// +optional
	// +kubebuilder:default=Restricted
	Security SecurityProfile `json:"security,omitempty"`

	// Lifecycle sets this template's clocks.
	// +optional
	Lifecycle *Lifecycle `json:"lifecycle,omitempty"`

	// WarmPool keeps desktops that have started before anybody asks for one. The next session
	// that would start from zero takes one, if it asks for nothing else than the template does.
	// +optional
	WarmPool *WarmPool `json:"warmPool,omitempty"`

	// PodTemplate is a partial pod template ({metadata, spec}) merged over the
	// generated one by strategic merge: node selectors, tolerations, a runtime
	// class, sidecars. The desktop's container is named "desktop".
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	PodTemplate *runtime.RawExtension `json:"podTemplate,omitempty"`
}

// Application is a program a person finds in the desktop.
type Application struct {
	// Name is what people see.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Name string `json:"name"`
	// Icon is a URL of an image for this program.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Icon string `json:"icon,omitempty"`
}

// WarmPool is how many desktops of a template wait for sessions, and where.
type WarmPool struct {
	// Replicas is how many wait in each of the namespaces.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	Replicas int32 `json:"replicas,omitempty"`

	// Namespaces are those whose sessions find desktops waiting: a pod cannot go from one
	// namespace to another, so each has its own.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="must be the name of a namespace, such as default"
	Namespaces []string `json:"namespaces"`

	// MaxAge is how long a desktop waits until it is replaced by one that starts anew; 0s is
	// without end.
	// +optional
	// +kubebuilder:default="24h"
	MaxAge *Duration `json:"maxAge,omitempty"`
}

// TemplateResources are a template's default resources.
type TemplateResources struct {
	// DefaultGPU is the number of GPUs; 0 is a desktop without one.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=64
	DefaultGPU *int32 `json:"defaultGPU,omitempty"`

	// DefaultMemory is the memory limit and request.
	// +optional
	// +kubebuilder:default="4Gi"
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self)) && !quantity(string(self)).isLessThan(quantity('16Mi'))",message="must be a quantity of 16Mi or more with its unit, such as 512Mi or 4Gi: without one it counts bytes"
	DefaultMemory *resource.Quantity `json:"defaultMemory,omitempty"`

	// DefaultCPU is the CPU limit; the request is a quarter of it.
	// +optional
	// +kubebuilder:default="2"
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self)) && quantity(string(self)).isGreaterThan(quantity('0'))",message="must be a quantity above zero, such as 500m or 2"
	DefaultCPU *resource.Quantity `json:"defaultCPU,omitempty"`
}

// SecurityProfile is what a desktop's container may. With each, privilege escalation is
// off and the runtime's seccomp profile on.
// +kubebuilder:validation:Enum=Restricted;ImageRoot
type SecurityProfile string

const (
	// SecurityRestricted leaves the container no capability.
	SecurityRestricted SecurityProfile = "Restricted"
	// SecurityImageRoot leaves a container that starts as root the capabilities by which
	// it prepares its files and becomes another user: CHOWN, DAC_OVERRIDE, FOWNER, FSETID,
	// KILL, SETGID and SETUID. The namespace must allow them: Pod Security "baseline" does,
	// "restricted" does not.
	SecurityImageRoot SecurityProfile = "ImageRoot"
)

// StreamingProtocol names how a desktop talks to its viewer.
// +kubebuilder:validation:Enum=Auto;Selkies1;Selkies2WebRTC;Selkies2WebSockets;LinuxServer;WebSocket
type StreamingProtocol string

const (
	// ProtocolAuto recognises the protocol by the path of each request.
	ProtocolAuto StreamingProtocol = "Auto"
	// ProtocolSelkies1 is the WebRTC signaling of Selkies 1.6.
	ProtocolSelkies1 StreamingProtocol = "Selkies1"
	// ProtocolSelkies2WebRTC is the WebRTC signaling of Selkies 2.
	ProtocolSelkies2WebRTC StreamingProtocol = "Selkies2WebRTC"
	// ProtocolSelkies2WebSockets is the stream of Selkies 2 without WebRTC.
	ProtocolSelkies2WebSockets StreamingProtocol = "Selkies2WebSockets"
	// ProtocolLinuxServer is the stream of linuxserver.io's desktop images.
	ProtocolLinuxServer StreamingProtocol = "LinuxServer"
	// ProtocolWebSocket holds and replays any WebSocket without reading its messages.
	ProtocolWebSocket StreamingProtocol = "WebSocket"
)

// ICEPolicy says which ICE candidates a viewer and a desktop may exchange.
// +kubebuilder:validation:Enum=all;relay
type ICEPolicy string

const (
	// ICEPolicyAll lets every candidate pass.
	ICEPolicyAll ICEPolicy = "all"
	// ICEPolicyRelay lets only those of the TURN server pass.
	ICEPolicyRelay ICEPolicy = "relay"
)

// StreamingSpec says where and how a desktop serves its viewer.
// +kubebuilder:validation:XValidation:rule="!has(self.protocol) || self.protocol != 'LinuxServer' || !has(self.port) || !(self.port in [3001, 8082, 8083])",message="with protocol LinuxServer port must not be 3001, 8082 or 8083, where these images have HTTPS and their own inner servers; their plain HTTP is at 3000"
type StreamingSpec struct {
	// Protocol is how the desktop talks to its viewer. Auto goes by the path of each
	// request; a named protocol leaves other paths to plain WebSocket.
	// +optional
	// +kubebuilder:default=Auto
	Protocol StreamingProtocol `json:"protocol,omitempty"`

	// Port is the TCP port of the desktop's web server, which must speak plain HTTP. With a
	// named protocol it is passed to the desktop where it differs from the image's default;
	// with Auto and WebSocket the desktop must be configured to listen there.
	// +optional
	// +kubebuilder:default=8080
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +kubebuilder:validation:XValidation:rule="!(self in [8008, 8012, 8013, 8022, 9090, 9091])",message="ports 8008, 8012, 8013, 8022, 9090 and 9091 are taken by Knative's sidecar; let the desktop listen elsewhere"
	Port int32 `json:"port,omitempty"`

	// ICEPolicy is relay, which lets only the TURN server's ICE candidates pass, or all.
	// Defaults to the installation's turn.icePolicy.
	// +optional
	ICEPolicy ICEPolicy `json:"icePolicy,omitempty"`

	// Subprotocols are the WebSocket subprotocols that the desktop speaks, best first. A
	// client that offers some (Sec-WebSocket-Protocol) while the desktop sleeps is promised
	// the first of these that it offers; a desktop that is awake chooses itself.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=64
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^[-!#$%&\\'*+.^_`|~0-9A-Za-z]+$')",message="must be the name of a WebSocket subprotocol, such as binary"
	Subprotocols []string `json:"subprotocols,omitempty"`
}

// ReclaimPolicy says what happens to a home when its session is deleted.
// +kubebuilder:validation:Enum=Retain;Delete
type ReclaimPolicy string

const (
	// ReclaimRetain keeps the home for the user's next session of this template.
	ReclaimRetain ReclaimPolicy = "Retain"
	// ReclaimDelete deletes the home together with the session that it was created for,
	// unless another session has used it since.
	ReclaimDelete ReclaimPolicy = "Delete"
)

// TemplatePersistence is the home directory that a template's sessions get.
type TemplatePersistence struct {
	// Enabled gives each session a home.
	// +optional
	// +kubebuilder:default=true
	Enabled *bool `json:"enabled,omitempty"`

	// Size is the size of a new home.
	// +optional
	// +kubebuilder:default="10Gi"
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self)) && !quantity(string(self)).isLessThan(quantity('1Mi'))",message="must be a quantity of 1Mi or more with its unit, such as 10Gi: without one it counts bytes"
	Size *resource.Quantity `json:"size,omitempty"`

	// StorageClassName is the class of a new home; the cluster's default if unset.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	StorageClassName *string `json:"storageClassName,omitempty"`

	// AccessMode of a new home. ReadWriteOncePod lets the cluster itself refuse a second pod,
	// also where somebody deletes or evicts a desktop's pod; the storage must support it.
	// +optional
	// +kubebuilder:default=ReadWriteOnce
	// +kubebuilder:validation:Enum=ReadWriteOnce;ReadWriteOncePod
	AccessMode corev1.PersistentVolumeAccessMode `json:"accessMode,omitempty"`

	// MountPath is where the home is mounted.
	// +optional
	// +kubebuilder:default="/home/user"
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches('^/[^:]+$')",message="must be an absolute path without a colon, such as /home/user"
	MountPath string `json:"mountPath,omitempty"`

	// ReclaimPolicy says what happens to the home when its session is deleted. Delete
	// deletes it with the session that it was created for only.
	// +optional
	// +kubebuilder:default=Retain
	ReclaimPolicy ReclaimPolicy `json:"reclaimPolicy,omitempty"`
}

// VDITemplateStatus is the observed state of a template. The operators of all installations
// write it: each its own entry of installations, and what follows from all entries.
type VDITemplateStatus struct {
	// ObservedGeneration is the generation of the template that the rest is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Conditions has Valid: whether a desktop can be made of the template; and, with
	// spec.warmPool, WarmPoolReady.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Sessions is how many sessions the template has, by phase. It follows some seconds later.
	// +optional
	Sessions *TemplateSessions `json:"sessions,omitempty"`
	// PrePull is on how many nodes the template's images are, before any desktop asks for
	// them; unset without prePull.enabled. It follows some seconds later.
	// +optional
	PrePull *TemplatePrePull `json:"prePull,omitempty"`
	// WarmPool is how many desktops wait for sessions; unset without spec.warmPool. It follows
	// some seconds later.
	// +optional
	WarmPool *TemplateWarmPool `json:"warmPool,omitempty"`
	// LastChange is what of spec was changed last; unset until something was.
	// +optional
	LastChange *TemplateChange `json:"lastChange,omitempty"`
	// SpecHashes has a hash of each field of spec at observedGeneration, by which lastChange
	// is known.
	// +optional
	SpecHashes map[string]string `json:"specHashes,omitempty"`
	// Installations is what each installation that serves sessions of the cluster knows.
	// +optional
	// +listType=map
	// +listMapKey=name
	Installations []TemplateInstallation `json:"installations,omitempty"`
}

// TemplateSessions counts sessions.
type TemplateSessions struct {
	// Total is the number of sessions.
	Total int32 `json:"total"`
	// Awake is how many of them have a pod: they start, run or doze.
	Awake int32 `json:"awake"`
	// Pending is how many lack something.
	// +optional
	Pending int32 `json:"pending,omitempty"`
	// Creating is how many start.
	// +optional
	Creating int32 `json:"creating,omitempty"`
	// Running is how many are reachable.
	// +optional
	Running int32 `json:"running,omitempty"`
	// Dozing is how many are frozen in their pods; they are awake.
	// +optional
	Dozing int32 `json:"dozing,omitempty"`
	// Asleep is how many have no pod and wait for a visit.
	// +optional
	Asleep int32 `json:"asleep,omitempty"`
	// Failed is how many could not be made, or did not start.
	// +optional
	Failed int32 `json:"failed,omitempty"`
	// Terminating is how many are being deleted.
	// +optional
	Terminating int32 `json:"terminating,omitempty"`
}

// TemplatePrePull says on how many nodes a template's images are kept.
type TemplatePrePull struct {
	// Desired is the number of nodes that are to have the images.
	Desired int32 `json:"desired"`
	// Ready is how many of them have the images as the template names them now.
	Ready int32 `json:"ready"`
	// Message says what keeps the others from it, for people.
	// +optional
	Message string `json:"message,omitempty"`
}

// TemplateWarmPool says how a template's warm pool stands.
type TemplateWarmPool struct {
	// Desired is how many desktops are to wait.
	Desired int32 `json:"desired"`
	// Ready is how many of them a session can take now.
	Ready int32 `json:"ready"`
	// Dozing is how many of those that are ready are frozen.
	// +optional
	Dozing int32 `json:"dozing,omitempty"`
	// Claimed is how many sessions use a desktop of the pool.
	// +optional
	Claimed int32 `json:"claimed,omitempty"`
	// Reason is one of the condition WarmPoolReady.
	Reason string `json:"reason"`
	// Message says what keeps the others from it, for people.
	// +optional
	Message string `json:"message,omitempty"`
}

// TemplateChange is what one change of a template was about.
type TemplateChange struct {
	// Generation is the template's since then.
	Generation int64 `json:"generation"`
	// Time is when an operator saw the change.
	Time metav1.Time `json:"time"`
	// Fields are the fields of spec that changed, such as image and resources. Of several
	// changes in a row it has all.
	// +listType=atomic
	Fields []string `json:"fields"`
}

// TemplateInstallation is what one installation knows of a template.
type TemplateInstallation struct {
	// Name is the installation's namespace and name, such as vdi-system/vdi.
	Name string `json:"name"`
	// ObservedGeneration is the generation of the template that valid is about.
	ObservedGeneration int64 `json:"observedGeneration"`
	// Valid is whether this installation can make a desktop of the template: True or False.
	Valid metav1.ConditionStatus `json:"valid"`
	// Reason is one of the condition Valid.
	Reason string `json:"reason"`
	// Message is for people.
	// +optional
	Message string `json:"message,omitempty"`
	// Sessions is how many sessions of the template are this installation's.
	Sessions TemplateSessions `json:"sessions"`
	// PrePull is on how many nodes this installation keeps the template's images.
	// +optional
	PrePull *TemplatePrePull `json:"prePull,omitempty"`
	// WarmPool is how many desktops of the template this installation keeps waiting.
	// +optional
	WarmPool *TemplateWarmPool `json:"warmPool,omitempty"`
}

// VDITemplate says what a desktop is. Sessions name a template and take from it
// what they don't say themselves.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=vdit
// +kubebuilder:printcolumn:name="Display Name",type=string,JSONPath=`.spec.displayName`
// +kubebuilder:printcolumn:name="GPU",type=integer,JSONPath=`.spec.resources.defaultGPU`
// +kubebuilder:printcolumn:name="Valid",type=string,JSONPath=`.status.conditions[?(@.type=="Valid")].status`
// +kubebuilder:printcolumn:name="Sessions",type=integer,JSONPath=`.status.sessions.total`
// +kubebuilder:printcolumn:name="Awake",type=integer,JSONPath=`.status.sessions.awake`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Nodes",type=integer,priority=1,JSONPath=`.status.prePull.desired`
// +kubebuilder:printcolumn:name="Pulled",type=integer,priority=1,JSONPath=`.status.prePull.ready`
// +kubebuilder:printcolumn:name="Warm",type=integer,priority=1,JSONPath=`.status.warmPool.ready`
// +kubebuilder:printcolumn:name="Image",type=string,priority=1,JSONPath=`.spec.image`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Valid")].message`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must be at most 63 characters of a-z, 0-9 and '-', because it becomes a label value"
type VDITemplate struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec VDITemplateSpec `json:"spec"`
	// +optional
	Status VDITemplateStatus `json:"status,omitempty"`
}

// VDITemplateList is a list of templates.
//
// +kubebuilder:object:root=true
type VDITemplateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []VDITemplate `json:"items"`
}
