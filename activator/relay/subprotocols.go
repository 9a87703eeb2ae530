package relay

import (
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/org/vdi-operator/activator/closing"
)

// Subprotocols are those that a client offers, and the one that it is promised.
type Subprotocols struct {
	// offered is the client's list in its order, as the desktop gets it. It is not split: a
	// client may offer thousands, and is held for minutes.
	offered string
	// Promised is one of them, or empty for none.
	Promised string
}

// between separates what is offered.
const between = ", "

// ParseSubprotocols reads what a client offers; nil where it offers nothing.
func ParseSubprotocols(h http.Header) (*Subprotocols, error) {
	lines := h["Sec-Websocket-Protocol"]
	if len(lines) == 0 {
		return nil, nil
	}
	var names []string
	for _, line := range lines {
		for name := range strings.SplitSeq(line, ",") {
			name = strings.Trim(name, " \t")
			if name == "" { // RFC 9110, section 5.6.1.2
				continue
			}
			if !httpguts.ValidHeaderFieldName(name) { // a token too
				return nil, closing.UpgradeSubprotocol.Ending()
			}
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, closing.UpgradeSubprotocol.Ending()
	}
	return &Subprotocols{offered: strings.Clone(strings.Join(names, between))}, nil
}

// Promise promises the first of the preferred that the client offers, and else the first
// that it offers.
func (s *Subprotocols) Promise(preferred ...string) {
	for _, name := range preferred {
		if s.has(name) {
			s.Promised = name
			return
		}
	}
	s.Promised, _, _ = strings.Cut(s.offered, between)
}

func (s *Subprotocols) has(wanted string) bool {
	for name := range strings.SplitSeq(s.offered, between) {
		if name == wanted {
			return true
		}
	}
	return false
}

// chosen is what an answer chooses of them, and empty for nothing; false where that was not
// offered. Nothing is where nothing was offered.
func (s *Subprotocols) chosen(answer http.Header) (name string, ok bool) {
	name = strings.Join(answer["Sec-Websocket-Protocol"], between)
	return name, name == "" || s != nil && !strings.Contains(name, between) && s.has(name)
}
