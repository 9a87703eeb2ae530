//go:build browser

package browser

import (
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/org/vdi-operator/activator/gatewaytest"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/test/harness"
)

// aliceAt is alice's session where sessions are folders of one host.
const aliceAt = "/alice--desktops"

func TestThePageWorksInAFolderOfASharedHost(t *testing.T) {
	v := newVisit(t, gatewaytest.ByPath)
	v.home += aliceAt
	v.link("/desk/")
	v.until(`document.body.dataset.state === "waiting" && location.pathname === "` + aliceAt + `/desk/" && !location.search`)
	eventually.Equal(v.T, "woken", 1, v.Woken)
	v.Wakes(framed(t))
	v.until(harness.DesktopShown + ` && document.title === "Load 1 of /desk/"`) // the desktop is at its root
	eventually.Equal(v.T, "the visit is reported", 1, v.Inputs)
	v.run(chromedp.Evaluate(`frames[0].fetch("/turn").then((a) => a.json()).then((c) => { window.turn = c.iceServers.length; })`, nil))
	v.until(`window.turn > 0`) // as Selkies 1.6 asks for it, at the root of the host
	// Where its client goes after three failures.
	v.run(chromedp.Evaluate(`frames[0].eval('location.replace("/")')`, nil))
	v.until(`frames[0].location.pathname === "` + aliceAt + `/" && document.title.endsWith(" of /")`)
	v.Sleeps(lifecycle.ReasonIdle, "")
	v.until(harness.AsleepShown)
	before := v.Woken()
	v.run(chromedp.Click(harness.WakeButton))
	eventually.Equal(v.T, "woken again", before+1, v.Woken)
}
