//go:build browser

package browser

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"

	"github.com/org/vdi-operator/activator/gatewaytest"
	"github.com/org/vdi-operator/test/harness"
)

func TestAnOwnerComesFromTheDesktopToWhereItIsShared(t *testing.T) {
	v := newVisit(t, gatewaytest.WithPortal)
	v.link("/")
	v.Wakes(framed(t))
	v.until(harness.DesktopShown)
	v.until(`document.elementFromPoint(innerWidth / 2, 4).closest("#menu") && document.elementFromPoint(innerWidth / 2, 40).id === "frame"`)
	v.run(chromedp.Focus("#menu summary"), chromedp.KeyEvent(kb.Enter))
	v.until(`document.getElementById("menu").open`)
	assert.Equal(t, "http://portal.vdi.localhost/sessions/desktops/alice#sharing _blank", v.text(
		`(() => { const a = document.querySelector("#menu a"); return a.href + " " + a.target })()`))
	v.run(chromedp.KeyEvent(kb.Escape))
	v.until(`!document.getElementById("menu").open && document.activeElement.parentElement.id === "menu"`)
	v.run(chromedp.KeyEvent(kb.Enter), chromedp.MouseClickXY(640, 400))
	v.until(`!document.getElementById("menu").open && document.activeElement.id === "frame"`)
}

func TestWhereNobodySignsInThereIsNoMenu(t *testing.T) {
	v := newVisit(t)
	v.link("/")
	v.Wakes(framed(t))
	v.until(harness.DesktopShown)
	v.until(`!document.getElementById("menu")`)
}
