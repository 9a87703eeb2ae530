package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ShareRole is what somebody may do in a desktop that is shared with them.
// +kubebuilder:validation:Enum=Controller;Viewer
type ShareRole string

const (
	// ShareController sees the desktop, types in it and may wake it.
	ShareController ShareRole = "Controller"
	// ShareViewer sees the desktop while it is awake, and nothing else.
	ShareViewer ShareRole = "Viewer"
)

// Share lets somebody besides the owner into a desktop: one user, or whoever has a link.
// +kubebuilder:validation:XValidation:rule="has(self.user) != has(self.link)",message="a share is for a user or has a link: set one of both"
type Share struct {
	// Name distinguishes the session's shares; whoever was let in by a share is out within a
	// minute once it is gone. Another share must not take the name of one that was ended.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`
	// Role is Controller or Viewer.
	Role ShareRole `json:"role"`
	// User is a colleague, by the name that the identity provider gives them.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	User string `json:"user,omitempty"`
	// Link opens the desktop for whoever has it.
	// +optional
	Link *ShareLink `json:"link,omitempty"`
	// ExpiresAt is when the share ends by itself; without it, when somebody takes it away.
	// +optional
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`
}

// ShareLink is a link of which only a hash is kept: nobody can read it off the session.
type ShareLink struct {
	// SecretHash is the SHA-256 of the link's secret, in hexadecimal.
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{64}$`
	SecretHash string `json:"secretHash"`
	// MaxUses is how often the link may be opened, by different browsers or again by one that
	// has forgotten it; 0 is as often as people like.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	MaxUses int32 `json:"maxUses,omitempty"`
}

// ShareUse is how often a share's link was opened; an activator writes it before it lets
// anybody in.
type ShareUse struct {
	// Name is the share's.
	Name string `json:"name"`
	// Uses is how often the link was opened.
	Uses int32 `json:"uses"`
	// LastUsedTime is when it was opened last.
	// +optional
	LastUsedTime *metav1.Time `json:"lastUsedTime,omitempty"`
}
