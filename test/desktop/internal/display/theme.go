package display

import (
	"os"
	"path/filepath"
	"strings"
)

// theme is the window manager's look: flat and dark, with the accent of the page. It sets
// no root command, which would paint over the wallpaper.
const theme = `*font: DejaVu Sans-9
*borderWidth: 0
*window.handleHeight: 0
window.alignment: left
window.title.focus.appearance: flat solid
window.title.focus.backgroundColor: #1b3a44
window.title.unfocus.appearance: flat solid
window.title.unfocus.backgroundColor: #1a222d
window.label.focus.appearance: parentrelative
window.label.focus.textColor: #eaf4f4
window.label.unfocus.appearance: parentrelative
window.label.unfocus.textColor: #8fa1b5
window.button.focus.appearance: parentrelative
window.button.focus.foregroundColor: #5ad1c8
window.button.unfocus.appearance: parentrelative
window.button.unfocus.foregroundColor: #5f7184
window.button.pressed.appearance: flat solid
window.button.pressed.backgroundColor: #2a5560
window.frame.focus.borderColor: #5ad1c8
window.frame.unfocus.borderColor: #1a222d
window.frame.borderWidth: 1
window.title.marginWidth: 4
window.label.marginWidth: 4
window.button.marginWidth: 3
toolbar.appearance: flat solid
toolbar.backgroundColor: #10161f
toolbar.label.appearance: parentrelative
toolbar.label.textColor: #8fa1b5
toolbar.windowLabel.appearance: parentrelative
toolbar.windowLabel.textColor: #d7e3f0
toolbar.clock.appearance: parentrelative
toolbar.clock.textColor: #5ad1c8
toolbar.button.appearance: parentrelative
toolbar.button.foregroundColor: #8fa1b5
toolbar.button.pressed.appearance: flat solid
toolbar.button.pressed.backgroundColor: #2a5560
toolbar.alignment: center
menu.title.appearance: flat solid
menu.title.backgroundColor: #1b3a44
menu.title.textColor: #eaf4f4
menu.frame.appearance: flat solid
menu.frame.backgroundColor: #10161f
menu.frame.textColor: #d7e3f0
menu.active.appearance: flat solid
menu.active.backgroundColor: #2a5560
menu.active.textColor: #ffffff
`

const menu = `[begin] (Demo desktop)
  [exec] (Terminal) {xterm -fa "DejaVu Sans Mono" -fs 11 -bg #10161f -fg #d7e3f0 -bw 0 -b 10}
  [exec] (Clock) {xclock -update 1}
[end]
`

const settings = `session.styleFile: DIR/theme
session.menuFile: DIR/menu
session.screen0.toolbar.placement: BottomCenter
session.screen0.toolbar.widthPercent: 100
session.screen0.toolbar.onTop: False
session.screen0.strftimeFormat: %H:%M
session.screen0.workspaces: 1
session.screen0.workspaceNames: Demo
session.focusModel: ClickToFocus
session.screen0.focusNewWindows: False
`

// writeTheme writes the window manager's files into dir.
func writeTheme(dir string) error {
	for name, text := range map[string]string{"theme": theme, "menu": menu, "blackboxrc": strings.ReplaceAll(settings, "DIR", dir)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
