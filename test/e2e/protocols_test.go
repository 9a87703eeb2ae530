//go:build e2e

package e2e

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/test/desktop/viewer"
	"github.com/org/vdi-operator/test/harness"
)

// sleeping is a session at zero pods whose desktop speaks a protocol, with its visitor.
// The template leaves it to the activator to recognise the protocol.
func sleeping(t *testing.T, protocol string) *harness.Visitor {
	t.Helper()
	ctx := story(t)
	key := session(ctx, t, protocol, template(t, func(s *v1alpha1.VDITemplateSpec) {
		s.Env = append(s.Env, corev1.EnvVar{Name: "DESKTOP_PROTOCOL", Value: protocol})
	}), nil)
	return invited(ctx, t, key)
}

func TestDesktopsOfEveryProtocolShowTheirPictureFromZeroPods(t *testing.T) {
	t.Parallel()
	// Selkies 1.6 has stories of its own.
	for protocol, speaks := range map[string]viewer.Protocol{
		"selkies2-webrtc": viewer.Selkies2WebRTC, "selkies2-websockets": viewer.Selkies2WebSockets, "linuxserver": viewer.LinuxServer,
	} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			ctx := story(t)
			stream, err := sleeping(t, protocol).View(ctx, func(o *viewer.Options) { o.Protocol = speaks })
			if err != nil {
				t.Fatal(err)
			}
			defer stream.Close()
			if err := stream.WaitFrames(ctx, wantFrames); err != nil {
				t.Fatal(err)
			}
			if s := stream.Stats(); speaks != viewer.Selkies2WebRTC && s.Broken != 0 {
				t.Errorf("%d pictures of %d are missing", s.Broken, s.Frames)
			}
		})
	}
}

func TestWhatAPlainWebSocketSaysArrivesCompleteAndInOrder(t *testing.T) {
	t.Parallel()
	ctx := story(t)
	visitor := sleeping(t, "plain")
	const messages, numbers = 20, 100
	var say [][]byte
	for i := range messages {
		say = append(say, fmt.Appendf(nil, "said while the desktop sleeps: %d", i))
	}
	err := viewer.Numbers(ctx, viewer.Options{URL: visitor.URL.String(), Header: visitor.Header(), DialContext: visitor.Dial}, say, numbers)
	if err != nil {
		t.Fatal(err)
	}
}
