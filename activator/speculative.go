package activator

import (
	"net/http"
	"strings"
)

// purposes are the fields by which browsers say that nobody asked for what they load: the
// standard's (Fetch, "Sec-Purpose"), Chrome's and Safari's older ones, and Firefox's.
var purposes = []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"}

// previewers are what programs call themselves, in lower case, that load an address in
// order to show what a person would find there.
var previewers = []string{
	"bot/", "slackbot", "(+http", "; +http", "crawler", "spider", "facebookexternalhit", "facebookcatalog", "whatsapp/", "skypeuripreview",
	"bingpreview", "linkpreview", "embedly", "vkshare", "google-pagerenderer", "google-safety", "safelinks", "mimecast", "proofpoint",
}

// speculative says that no person asks: a browser that loads ahead, or a program that shows
// or checks a link. Neither must wake a desktop.
func speculative(r *http.Request) bool {
	for _, name := range purposes {
		for _, value := range r.Header.Values(name) {
			value = strings.ToLower(value)
			if strings.Contains(value, "prefetch") || strings.Contains(value, "prerender") || strings.Contains(value, "preview") {
				return true
			}
		}
	}
	// A program with a token of its own is no browser, nor does it show links.
	if r.Header.Get("Authorization") != "" {
		return false
	}
	agent := strings.ToLower(r.UserAgent())
	for _, name := range previewers {
		if strings.Contains(agent, name) {
			return true
		}
	}
	return false
}
