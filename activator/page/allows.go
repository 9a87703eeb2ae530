package page

import (
	"strings"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// features are those that the desktop may ask the person for, or use, unless its policy withholds them.
var features = []string{"autoplay", "camera", "clipboard-read", "clipboard-write", "cross-origin-isolated", "display-capture",
	"encrypted-media", "fullscreen", "gamepad", "keyboard-map", "microphone", "screen-wake-lock", "window-management"}

// frameAllows is a frame's attribute allow. What a policy forbids the browser itself withholds,
// whatever the protocol: the desktop's script reads and fills the clipboard by these features, beside
// the person's own keys. A picture in a window of its own would have no watermark.
func frameAllows(p *v1alpha1.AccessPolicy) string {
	withheld := map[string]bool{"clipboard-read": !p.ClipboardIn(), "clipboard-write": !p.ClipboardOut(), "microphone": !p.Speaks()}
	said := make([]string, len(features))
	for i, f := range features {
		said[i] = f
		if withheld[f] {
			said[i] += " 'none'"
		}
	}
	if p != nil && p.Watermark != "" { // else it is a frame's own
		said = append(said, "picture-in-picture 'none'")
	}
	return strings.Join(said, "; ")
}
