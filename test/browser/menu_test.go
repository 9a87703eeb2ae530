//go:build browser

package browser

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"

	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/test/harness"
)

// withPortal is an installation at which people sign in.
func withPortal(c *config.Config) {
	portal := config.DefaultPortal()
	portal.Host, portal.Service, portal.Namespace, portal.Port, portal.InternalPort = "portal.vdi.localhost", "vdi-portal", "vdi-system", 8080, 8081
	c.Portal = &portal
	c.Auth.OIDC = &config.OIDC{Issuer: "https://id.example.com", ClientID: "portal"}
}

func TestAnOwnerComesFromTheDesktopToWhereItIsShared(t *testing.T) {
	v := newVisit(t, withPortal)
	v.link("/")
	v.wakes(framed(t))
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
	v.wakes(framed(t))
	v.until(harness.DesktopShown)
	v.until(`!document.getElementById("menu")`)
}
