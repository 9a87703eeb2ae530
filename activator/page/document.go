package page

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/org/vdi-operator/activator/route"
)

// Query parameters of ours. No desktop sees them.
const (
	// frameMarker marks what the page's frame loads, where the browser does not say.
	frameMarker = "vdi_frame"
	// refreshMarker marks a page without script that loads itself again, which is no
	// person's doing and so must not wake a desktop that a clock put to sleep.
	refreshMarker = "vdi_refresh"
)

// PageQuery is the query parameter, of paths of ours, with the name that a page made up
// for itself. It is no secret and gives no right.
const PageQuery = "page"

// NameOf is the name of the page that asks; empty where it has none, or none that is as
// our script makes them.
func NameOf(r *http.Request) string {
	name := r.URL.Query().Get(PageQuery)
	if len(name) != pageDigits || strings.Trim(name, "0123456789abcdef") != "" {
		return ""
	}
	return name
}

// pageDigits is how many hexadecimal digits a page's name has.
const pageDigits = 32

// Kind says what a browser loads a document for.
type Kind int

// The kinds.
const (
	// NoDocument is anything but a document.
	NoDocument Kind = iota
	// Top is the document of a tab: a person opens an address.
	Top
	// Refresh is a page without script that loads itself again.
	Refresh
	// Frame is the document in the page's frame.
	Frame
)

// Document says what a request loads a document for, and whether the browser says so
// itself. Browsers do, in Sec-Fetch-Dest, for addresses with https and on localhost.
// On others they are known by what they accept, and the frame by a marker in its
// address: whatever navigates the frame loses the marker, gets the page around the
// desktop once more, and the script there, finding itself in a frame, puts the marker
// back.
func Document(r *http.Request) (k Kind, told bool) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return NoDocument, true
	}
	dest := r.Header.Get("Sec-Fetch-Dest")
	told = dest != ""
	switch {
	case dest == "iframe" || dest == "frame":
		return Frame, told
	case told && dest != "document", !told && !strings.Contains(r.Header.Get("Accept"), "text/html"):
		return NoDocument, told
	case !told && r.URL.Query().Has(frameMarker):
		return Frame, told
	case r.URL.Query().Has(refreshMarker):
		return Refresh, told
	}
	return Top, told
}

// Unmarked is an address without our markers.
func Unmarked(u *url.URL) *url.URL {
	out := *u
	out.RawQuery = route.WithoutQuery(u.RawQuery, frameMarker, refreshMarker)
	return &out
}

func marked(u *url.URL, marker string) *url.URL {
	out := *u
	if out.RawQuery != "" {
		out.RawQuery += "&"
	}
	out.RawQuery += marker + "=1"
	return &out
}
