package signaling

import "github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"

// Streaming is how the session's template says that its desktop speaks.
func Streaming(s *v1alpha1.VDISession) v1alpha1.StreamingSpec {
	if s.Status.Streaming == nil {
		return v1alpha1.StreamingSpec{Protocol: v1alpha1.ProtocolAuto}
	}
	return *s.Status.Streaming
}

// Named says that the template names the desktop's protocol.
func Named(s *v1alpha1.VDISession) bool {
	p := Streaming(s).Protocol
	return p != v1alpha1.ProtocolAuto && p != ""
}
