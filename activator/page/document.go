package page

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
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

// ScreenQuery is the query parameter, of EventsPath, with the Screen of the page's frame.
const ScreenQuery = "screen"

// Screen is a frame's width and height, in pixels of the screen, and how many of them a pixel of
// the page has.
type Screen struct {
	Width, Height int
	Scale         float64
}

// The largest screen that is believed.
const (
	mostPixels = 1 << 14
	mostScale  = 16
)

// ScreenOf is what the page that asks says of its frame, as <width>x<height>@<scale>; nil where it
// says nothing, or nothing that can be.
func ScreenOf(r *http.Request) *Screen {
	var s Screen
	size, scale, _ := strings.Cut(r.URL.Query().Get(ScreenQuery), "@")
	width, height, _ := strings.Cut(size, "x")
	var errs [3]error
	s.Width, errs[0] = strconv.Atoi(width)
	s.Height, errs[1] = strconv.Atoi(height)
	s.Scale, errs[2] = strconv.ParseFloat(scale, 64)
	if errors.Join(errs[:]...) != nil || s.Width < 1 || s.Width > mostPixels || s.Height < 1 || s.Height > mostPixels ||
		!(s.Scale > 0 && s.Scale <= mostScale) {
		return nil
	}
	return &s
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
