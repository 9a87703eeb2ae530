package v1alpha1

// AccessPolicy is what may pass between a desktop and the people who see it. It only ever
// takes away: what an image does not do, or what its env switches off, no policy switches on.
// A session has none of its own. It takes effect at a desktop's next wake. How far each image
// and protocol is held to it is the session's condition AccessEnforced.
type AccessPolicy struct {
	// Clipboard is which way text and pictures may be copied.
	// +optional
	// +kubebuilder:default=Both
	Clipboard ClipboardAccess `json:"clipboard,omitempty"`

	// Files is which way files may be transferred by the desktop's own page.
	// +optional
	// +kubebuilder:default=Both
	Files FilesAccess `json:"files,omitempty"`

	// Audio lets people hear the desktop.
	// +optional
	// +kubebuilder:default=true
	Audio *bool `json:"audio,omitempty"`

	// Microphone lets the desktop hear people, where its image can.
	// +optional
	// +kubebuilder:default=true
	Microphone *bool `json:"microphone,omitempty"`

	// Watermark is a text that the page shows all over the desktop, in which {user} is who
	// looks, {session} the session's name and {time} the time in UTC. It deters photographs
	// and screenshots; whoever has developer tools can take it away.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="!self.matches('[[:cntrl:]]') && (self == '' || self.trim() != '')",message="spec.access.watermark must be one line with something to see, such as \"{user} {time}\"; leave it out for none"
	Watermark string `json:"watermark,omitempty"`
}

// ClipboardAccess is which way the clipboard may pass.
// +kubebuilder:validation:Enum=Both;ToDesktop;FromDesktop;None
type ClipboardAccess string

const (
	// ClipboardBoth lets people copy both ways.
	ClipboardBoth ClipboardAccess = "Both"
	// ClipboardToDesktop lets people paste into the desktop what they copied outside.
	ClipboardToDesktop ClipboardAccess = "ToDesktop"
	// ClipboardFromDesktop lets people paste outside what they copied in the desktop.
	ClipboardFromDesktop ClipboardAccess = "FromDesktop"
	// ClipboardNone lets nothing pass.
	ClipboardNone ClipboardAccess = "None"
)

// FilesAccess is which way files may pass.
// +kubebuilder:validation:Enum=Both;Upload;Download;None
type FilesAccess string

const (
	// FilesBoth lets people transfer files both ways.
	FilesBoth FilesAccess = "Both"
	// FilesUpload lets people bring files to the desktop.
	FilesUpload FilesAccess = "Upload"
	// FilesDownload lets people take files from the desktop.
	FilesDownload FilesAccess = "Download"
	// FilesNone lets nothing pass.
	FilesNone FilesAccess = "None"
)

// The questions that enforcement asks. No policy allows everything, and so does an empty one.

// ClipboardIn says that the clipboard may pass into the desktop.
func (p *AccessPolicy) ClipboardIn() bool {
	return p == nil || p.Clipboard != ClipboardFromDesktop && p.Clipboard != ClipboardNone
}

// ClipboardOut says that it may pass out of the desktop.
func (p *AccessPolicy) ClipboardOut() bool {
	return p == nil || p.Clipboard != ClipboardToDesktop && p.Clipboard != ClipboardNone
}

// Uploads says that files may pass into the desktop.
func (p *AccessPolicy) Uploads() bool {
	return p == nil || p.Files != FilesDownload && p.Files != FilesNone
}

// Downloads says that they may pass out of the desktop.
func (p *AccessPolicy) Downloads() bool {
	return p == nil || p.Files != FilesUpload && p.Files != FilesNone
}

// Hears says that people may hear the desktop.
func (p *AccessPolicy) Hears() bool { return p == nil || p.Audio == nil || *p.Audio }

// Speaks says that the desktop may hear people.
func (p *AccessPolicy) Speaks() bool { return p == nil || p.Microphone == nil || *p.Microphone }

// Restricts says that something may not pass; a watermark alone restricts nothing.
func (p *AccessPolicy) Restricts() bool {
	return !p.ClipboardIn() || !p.ClipboardOut() || !p.Uploads() || !p.Downloads() || !p.Hears() || !p.Speaks()
}

// Asks says that the policy asks for anything at all.
func (p *AccessPolicy) Asks() bool { return p.Restricts() || p != nil && p.Watermark != "" }
