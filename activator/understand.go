package activator

import (
	"net/http"
	"strings"

	"github.com/org/vdi-operator/activator/auth"
	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/activator/probe"
	"github.com/org/vdi-operator/activator/route"
	"github.com/org/vdi-operator/activator/signaling"
	"github.com/org/vdi-operator/activator/wake"
	"github.com/org/vdi-operator/pkg/access"
)

// understood is a checked request, without parameters of ours in its address, and what is
// known of it.
type understood struct {
	*http.Request
	visitor
}

// visitor is whose session a request is for, as it was when the request came, and what the
// request wants there.
type visitor struct {
	directory.View
	// who it is, and what they may do.
	who   auth.Visitor
	wants want
	// face is how the visitor sees the session.
	face route.Face
	// scripted says that a browser's script made the request, or a page that the
	// desktop showed; not a person who opened a page, nor a program that is no browser.
	scripted bool
	// marked says that the browser does not distinguish a frame's request from a person's.
	marked bool
}

// want is what a request is for.
type want int

const (
	// wantsAnything is passed on to the desktop.
	wantsAnything want = iota
	// wantsPage is a person who opens an address: the page around the desktop.
	wantsPage
	// wantsRefresh is that page without script, which loads itself again.
	wantsRefresh
	// wantsFrame is the desktop's document in that page's frame.
	wantsFrame
	wantsSocket
	wantsTURN
	// wantsMode asks which mode the desktop is in.
	wantsMode
	// wantsWorker is a script that would answer page loads in the browser.
	wantsWorker
	// wantsOurs is a path below page.Prefix.
	wantsOurs
)

// understand says what a checked request is for.
func understand(at addressed, who auth.Visitor) understood {
	r := at.Request
	v := visitor{View: at.view, who: who, face: at.face, scripted: scripted(r)}
	if strings.HasPrefix(r.URL.Path, page.Prefix) {
		v.wants = wantsOurs
		return understood{r, v}
	}
	protocol := signaling.Streaming(v.Session).Protocol
	document, browserSays := page.Document(r)
	if document == page.Frame {
		v.scripted = true
	}
	switch {
	case isUpgrade(r):
		v.wants = wantsSocket
	case r.Method == http.MethodGet && signaling.AnswersTURN(protocol, r.URL.Path):
		v.wants = wantsTURN
	case r.Method == http.MethodGet && signaling.AsksMode(protocol, r.URL.Path):
		v.wants = wantsMode
	case isWorker(r):
		v.wants = wantsWorker
	case document == page.Top:
		v.wants, v.marked = wantsPage, !browserSays
	case document == page.Refresh:
		v.wants, v.marked = wantsRefresh, !browserSays
	case document == page.Frame:
		v.wants = wantsFrame
	}
	r = r.WithContext(r.Context()) // a copy
	r.URL = page.Unmarked(r.URL)
	if v.wants == wantsSocket && at.face.Prefix != "" {
		r.URL.Path = signaling.AtRoot(protocol, r.URL.Path)
	}
	return understood{r, v}
}

// reach is what the visitor may be connected to.
func (v visitor) reach(visit *wake.Visit) probe.Visit {
	reach := probe.VisitOf(v.Session, visit.Slept())
	reach.Thaws = v.who.May(access.Wake)
	return reach
}

func scripted(r *http.Request) bool {
	if r.Header.Get("Origin") != "" {
		return true
	}
	mode := r.Header.Get("Sec-Fetch-Mode")
	return mode != "" && mode != "navigate"
}
