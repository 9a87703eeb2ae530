package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// VDISignInSpec is who has signed in at the portal.
type VDISignInSpec struct {
	// Issuer is the identity provider's.
	// +kubebuilder:validation:MaxLength=2048
	Issuer string `json:"issuer"`
	// Subject is the person's sub claim there.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Subject string `json:"subject"`
	// ProviderSession is the sid claim, by which the provider says that it has ended.
	// +optional
	// +kubebuilder:validation:MaxLength=255
	ProviderSession string `json:"providerSession,omitempty"`
	// User is the person by the claim that the installation takes for users: what sessions have
	// in spec.user.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	User string `json:"user"`
	// Admin says that one of the person's groups administers the installation's sessions.
	// +optional
	Admin bool `json:"admin,omitempty"`
	// ExpiresAt is when the sign-in ends at the latest.
	ExpiresAt metav1.Time `json:"expiresAt"`
}

// VDISignInStatus is what the portal needs to go on. Only it writes it.
type VDISignInStatus struct {
	// ValidUntil is until when the sign-in holds unless the provider confirms it before: the
	// portal moves it forward.
	// +optional
	ValidUntil *metav1.Time `json:"validUntil,omitempty"`
	// ConfirmedAt is when the provider confirmed the sign-in last.
	// +optional
	ConfirmedAt *metav1.Time `json:"confirmedAt,omitempty"`
	// NamedAt is when the provider said last who it is and in which groups. A refresh may confirm a
	// sign-in without that.
	// +optional
	NamedAt *metav1.Time `json:"namedAt,omitempty"`
	// AskingUntil is until when one replica of the portal asks the provider. No other does
	// meanwhile: a refresh token may be good for one use.
	// +optional
	AskingUntil *metav1.Time `json:"askingUntil,omitempty"`
	// RefreshToken is the provider's, encrypted with the portal's key.
	// +optional
	RefreshToken []byte `json:"refreshToken,omitempty"`
	// IDToken is the provider's, encrypted with the portal's key: a sign-out at the provider asks
	// for it.
	// +optional
	IDToken []byte `json:"idToken,omitempty"`
	// Handovers are the codes by which the person's browser is on its way to a session's host.
	// +optional
	// +listType=map
	// +listMapKey=codeHash
	// +kubebuilder:validation:MaxItems=16
	Handovers []Handover `json:"handovers,omitempty"`
}

// Handover is a code that lets one browser into one session, once.
type Handover struct {
	// CodeHash is the SHA-256 of the code, in hexadecimal.
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{64}$`
	CodeHash string `json:"codeHash"`
	// BrowserHash is the SHA-256 of what the session's host gave the browser, in hexadecimal.
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{64}$`
	BrowserHash string `json:"browserHash"`
	// Namespace is the session's.
	Namespace string `json:"namespace"`
	// Name is the session's.
	Name string `json:"name"`
	// UID is the session's: a later one of that name is another.
	UID types.UID `json:"uid"`
	// ExpiresAt is when the code ends unused.
	ExpiresAt metav1.Time `json:"expiresAt"`
}

// VDISignIn is a person's sign-in at the portal. Its name is derived from the secret in the
// person's cookie, which is kept nowhere else. Deleting it signs the person out of all
// desktops within seconds.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Namespaced,path=vdisignins
// +kubebuilder:printcolumn:name="User",type=string,JSONPath=`.spec.user`
// +kubebuilder:printcolumn:name="Admin",type=boolean,JSONPath=`.spec.admin`
// +kubebuilder:printcolumn:name="Valid Until",type=string,JSONPath=`.status.validUntil`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type VDISignIn struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec VDISignInSpec `json:"spec"`
	// +optional
	Status VDISignInStatus `json:"status,omitempty"`
}

// VDISignInList is a list of sign-ins.
//
// +kubebuilder:object:root=true
type VDISignInList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []VDISignIn `json:"items"`
}
