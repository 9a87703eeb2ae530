package display

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/org/vdi-operator/test/desktop/internal/process"
)

// Layout of the windows, in pixels.
const (
	margin     = 28
	clockSide  = 180
	sketchSide = 460
)

// greeting is what the terminal shows first. It says what this desktop is, so that
// nobody takes a test double for the product's desktop.
const greeting = `printf '\033[1;36m\n  VDI Operator demo desktop\033[0m\n\n  A stand-in that speaks the protocol of\n  Selkies 1.6. Real sessions run Selkies.\n\n  Files you keep in %s\n  are still there when you come back.\n\n' "$HOME"; export PS1="\[\e[1;36m\]desktop\[\e[0m\]:\w\$ "; exec bash --norc -i`

// programs are the windows of the demo: a window manager, a terminal, a clock that moves,
// eyes that follow the pointer and a sheet to draw on.
func programs(size Size, env []string, home, settings string) []process.Spec {
	geometry := func(w, h, x, y int) string { return fmt.Sprintf("%dx%d+%d+%d", w, h, x, y) }
	right := size.Width - sketchSide - margin
	specs := []process.Spec{
		{Name: "window manager", Args: []string{"blackbox", "-rc", filepath.Join(settings, "blackboxrc")}},
		{Name: "terminal", Args: []string{
			"xterm", "-title", "Terminal", "-fa", "DejaVu Sans Mono", "-fs", "11", "-bg", "#10161f", "-fg", "#d7e3f0",
			"-cr", "#5ad1c8", "-bw", "0", "-b", "10", "-geometry", fmt.Sprintf("72x24+%d+%d", margin, margin),
			"-e", "bash", "-c", greeting,
		}},
		{Name: "clock", Args: []string{
			"xclock", "-title", "Clock", "-analog", "-update", "1", "-bg", "#10161f", "-fg", "#d7e3f0",
			"-xrm", "*hourColor: #d7e3f0", "-xrm", "*minuteColor: #d7e3f0", "-xrm", "*secondColor: #5ad1c8",
			"-xrm", "*majorColor: #d7e3f0", "-xrm", "*minorColor: #5f7184", "-padding", "12", "-geometry", geometry(clockSide, clockSide, right, size.Height-clockSide-2*margin-22),
		}},
		{Name: "eyes", Args: []string{
			"xeyes", "-title", "Eyes", "-bg", "#10161f", "-fg", "#0b0f15", "-center", "#f2f7fb", "-outline", "#5ad1c8",
			"-geometry", geometry(sketchSide-clockSide-margin, clockSide, right+clockSide+margin, size.Height-clockSide-2*margin-22),
		}},
	}
	if self, err := os.Executable(); err == nil {
		specs = append(specs, process.Spec{Name: "sketch", Args: []string{
			self, "sketch", geometry(sketchSide, size.Height-clockSide-4*margin-44, right, margin),
		}})
	}
	for i := range specs {
		specs[i].Env, specs[i].Dir = env, home
	}
	return specs
}
