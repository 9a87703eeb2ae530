package pageapi

import (
	"context"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/signaling"
	"github.com/org/vdi-operator/activator/viewer"
	"github.com/org/vdi-operator/pkg/access"
)

// standIn has the agent of a desktop that stands still without a viewer stand in for the client in
// the page's frame: once for each desktop that the page waits for, and not where another page shows
// it.
func (p *stream) standIn(view directory.View) {
	at := p.Prober.Agent(view)
	if at == "" || at == p.stoodInAt || p.screen == nil || p.StandIns.Off() || !p.Who.May(access.Control) ||
		!signaling.TraitsOf(view.Session.Protocol()).StandsStill || p.Viewed(p.Key()) {
		return
	}
	if by := viewer.ViewedBy(view.Session); by != "" && by != p.claim.Page.Name {
		return
	}
	p.standDown()
	ctx, cancel := context.WithCancel(context.Background())
	p.stoodInAt, p.unneeded = at, cancel
	go p.StandIns.Ask(ctx, at, *p.screen)
}

// standDown says that nobody has to stand in any more.
func (p *stream) standDown() {
	if p.unneeded != nil {
		p.unneeded()
	}
	p.stoodInAt, p.unneeded = "", nil
}
