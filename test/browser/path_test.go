//go:build browser

package browser

import (
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/test/harness"
)

// aliceAt is alice's session where sessions are folders of one host.
const aliceAt = "/alice--desktops"

func byPath(c *config.Config) { c.URL.Routing = config.RoutingPath }

func TestThePageWorksInAFolderOfASharedHost(t *testing.T) {
	v := newVisit(t, byPath)
	v.home += aliceAt
	v.link("/desk/")
	v.until(`document.body.dataset.state === "waiting" && location.pathname === "` + aliceAt + `/desk/" && !location.search`)
	eventually.Equal(v.t, "woken", 1, v.woken)
	v.wakes(framed(t))
	v.until(harness.DesktopShown + ` && document.title === "Load 1 of /desk/"`) // the desktop is at its root
	eventually.Equal(v.t, "the visit is reported", 1, v.inputs)
	v.run(chromedp.Evaluate(`frames[0].fetch("/turn").then((a) => a.json()).then((c) => { window.turn = c.iceServers.length; })`, nil))
	v.until(`window.turn > 0`) // as Selkies 1.6 asks for it, at the root of the host
	// Where its client goes after three failures.
	v.run(chromedp.Evaluate(`frames[0].eval('location.replace("/")')`, nil))
	v.until(`frames[0].location.pathname === "` + aliceAt + `/" && document.title.endsWith(" of /")`)
	v.sleeps(lifecycle.ReasonIdle, "")
	v.until(harness.AsleepShown)
	before := v.woken()
	v.run(chromedp.Click(harness.WakeButton))
	eventually.Equal(v.t, "woken again", before+1, v.woken)
}
