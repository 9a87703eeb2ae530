package harness

import (
	"encoding/json"
	"os"

	cdpruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// axeRun has the page judged without what is in its frames: a desktop is none of ours.
const axeRun = `axe.run(document, {iframes: false, runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], resultTypes: ["violations"], selectors: false})
	.then(r => JSON.stringify(r.violations.map(v =>
		v.id + ": " + v.help + ": " + v.nodes.map(n => n.html + " " + n.failureSummary).join("; "))))`

// Axe is what axe-core finds wrong with the page, by WCAG 2.2 AA and its own best practices. AXE
// names its script, as make test-browser does.
func (b *Browser) Axe() (wrong []string, err error) {
	var there bool // in a page that was judged before
	if err := chromedp.Run(b.Ctx, chromedp.Evaluate(`"axe" in window`, &there)); err != nil {
		return nil, err
	}
	if !there {
		script, err := os.ReadFile(os.Getenv("AXE"))
		if err != nil {
			return nil, err
		}
		if err := chromedp.Run(b.Ctx, chromedp.Evaluate(string(script)+"; 0", nil)); err != nil {
			return nil, err
		}
	}
	var raw string
	awaited := func(p *cdpruntime.EvaluateParams) *cdpruntime.EvaluateParams { return p.WithAwaitPromise(true) }
	if err := chromedp.Run(b.Ctx, chromedp.Evaluate(axeRun, &raw, awaited)); err != nil {
		return nil, err
	}
	return wrong, json.Unmarshal([]byte(raw), &wrong)
}
