//go:build e2e

package e2e

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/test/desktop/viewer"
	"github.com/org/vdi-operator/test/harness"
)

// sleeping is a session at zero pods whose desktop has these settings, with its visitor.
// The template leaves it to the activator to recognise the protocol.
func sleeping(t *testing.T, name string, env map[string]string, change func(*v1alpha1.VDITemplateSpec)) *harness.Visitor {
	t.Helper()
	ctx := story(t)
	key := session(ctx, t, name, template(t, func(s *v1alpha1.VDITemplateSpec) {
		for name, value := range env {
			s.Env = append(s.Env, corev1.EnvVar{Name: name, Value: value})
		}
		if change != nil {
			change(s)
		}
	}), nil)
	return invited(ctx, t, key)
}

// asRoot lets the desktop start as root, as the images do for which that is meant; the
// stand-in's own user is an ordinary one.
func asRoot(s *v1alpha1.VDITemplateSpec) {
	s.Security = v1alpha1.SecurityImageRoot
	s.PodTemplate = &runtime.RawExtension{Raw: []byte(`{"spec":{"containers":[{"name":"desktop","resources":{"requests":{"cpu":"50m"}},"securityContext":{"runAsUser":0}}]}}`)}
}

func TestDesktopsLaidOutAsTheirImagesShowTheirPictureFromZeroPods(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env    map[string]string
		change func(*v1alpha1.VDITemplateSpec)
		speaks viewer.Protocol
	}{
		// Selkies 1.6.2 by itself, whose loop sleeps 2 s at a time.
		"bare": {env: map[string]string{"DESKTOP_BLOCK_LOOP": "2s", "DESKTOP_START_DELAY": "1s"}},
		// The same behind an nginx that opens the port last.
		"egl": {env: map[string]string{"DESKTOP_LAYOUT": "egl", "DESKTOP_BLOCK_LOOP": "2s", "DESKTOP_START_DELAY": "1s"}},
		// nginx first, which answers 404 until Selkies is there; s6, which starts as root.
		"linuxserver": {
			env: map[string]string{"DESKTOP_LAYOUT": "linuxserver", "DESKTOP_START_DELAY": "3s"},
			change: func(s *v1alpha1.VDITemplateSpec) {
				s.Streaming.Port, s.Persistence.MountPath = 3000, "/config"
				asRoot(s)
			},
			speaks: viewer.LinuxServer,
		},
		// A web server that answers before its service is there, and before its app is.
		"selkies2-webrtc": {
			env:    map[string]string{"DESKTOP_PROTOCOL": "selkies2-webrtc", "DESKTOP_STARTING": "1s", "DESKTOP_PEER_DELAY": "2s"},
			speaks: viewer.Selkies2WebRTC,
		},
		"selkies2-websockets": {
			env:    map[string]string{"DESKTOP_PROTOCOL": "selkies2-websockets", "DESKTOP_STARTING": "1s"},
			speaks: viewer.Selkies2WebSockets,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := story(t)
			stream, err := sleeping(t, name, c.env, c.change).View(ctx, func(o *viewer.Options) { o.Protocol = c.speaks })
			require.NoError(t, err)
			defer stream.Close()
			require.NoError(t, stream.WaitFrames(ctx, wantFrames))
			s := stream.Stats()
			assert.False(t, (c.speaks == viewer.Selkies2WebSockets || c.speaks == viewer.LinuxServer) && s.Broken != 0,
				"%d pictures of %d are missing", s.Broken, s.Frames)
		})
	}
}

func TestWhatAPlainWebSocketSaysArrivesCompleteAndInOrder(t *testing.T) {
	t.Parallel()
	ctx := story(t)
	visitor := sleeping(t, "plain", map[string]string{"DESKTOP_PROTOCOL": "plain"}, nil)
	const messages, numbers = 20, 100
	var say [][]byte
	for i := range messages {
		say = append(say, fmt.Appendf(nil, "said while the desktop sleeps: %d", i))
	}
	err := viewer.Numbers(ctx, viewer.Options{URL: visitor.URL.String(), Header: visitor.Header(), DialContext: visitor.Dial}, say, numbers)
	require.NoError(t, err)
}
