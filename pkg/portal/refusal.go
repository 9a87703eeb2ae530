package portal

import (
	"net/http"
	"slices"
)

// refusal is a row of the table: why a visitor is turned away.
type refusal struct {
	// Reason is that of vdi_portal_refusals_total.
	Reason string
	Status int
	// Title and Text are for the person; both say what to do and not who else there is.
	Title, Text string
	// Again offers to sign in once more.
	Again bool
	// Reload has the page try again by itself.
	Reload bool
}

var table []*refusal

func row(r refusal) *refusal {
	table = append(table, &r)
	return &r
}

var (
	providerAway = row(refusal{Reason: "provider_away", Status: http.StatusServiceUnavailable, Title: "Nobody can sign in at the moment",
		Text: "The identity provider does not answer. This page tries again by itself; desktops that are open stay open.", Again: true, Reload: true})
	providerRefused = row(refusal{Reason: "provider_refused", Status: http.StatusForbidden, Title: "You are not signed in",
		Text: "The identity provider did not confirm the sign-in. Try again, or ask your administrator.", Again: true})
	badState = row(refusal{Reason: "state", Status: http.StatusBadRequest, Title: "This sign-in has ended",
		Text: "It took too long, was finished already, or began in another browser. Sign in again.", Again: true})
	badAnswer = row(refusal{Reason: "answer", Status: http.StatusBadRequest, Title: "This address does not work by itself",
		Text: "It is part of a sign-in. Sign in again.", Again: true})
	badIssuer = row(refusal{Reason: "issuer", Status: http.StatusBadRequest, Title: "This sign-in is another provider's",
		Text: "The answer came from an identity provider that was not asked. Sign in again.", Again: true})
	badToken = row(refusal{Reason: "token", Status: http.StatusBadRequest, Title: "You could not be signed in",
		Text: "What the identity provider says cannot be trusted. Try again; your administrator finds the cause in the portal's log.", Again: true})
	badClaims = row(refusal{Reason: "claims", Status: http.StatusForbidden, Title: "You could not be signed in",
		Text: "The identity provider does not say who you are. Your administrator finds the cause in the portal's log.", Again: true})
	notAllowed = row(refusal{Reason: "not_allowed", Status: http.StatusForbidden, Title: "You may not use desktops here",
		Text: "Your account is in none of the groups that may. Ask your administrator.", Again: true})
	signedOut = row(refusal{Reason: "signed_out", Status: http.StatusUnauthorized, Title: "You are not signed in",
		Text: "Sign in to go on.", Again: true})
	foreign = row(refusal{Reason: "foreign_origin", Status: http.StatusForbidden, Title: "This was not done",
		Text: "The request did not come from a page of this portal, or from one of an earlier sign-in. Open the page again and repeat it."})
	unknownSession = row(refusal{Reason: "unknown_session", Status: http.StatusNotFound, Title: "There is no such desktop",
		Text: "It does not exist, or it is not shared with you. Ask whoever gave you the address."})
	tooMany = row(refusal{Reason: "sign_ins_per_address", Status: http.StatusTooManyRequests, Title: "Too many sign-ins",
		Text: "Too many people of your network sign in at once. Wait a few seconds and try again.", Again: true})
	tooManyChanges = row(refusal{Reason: "changes_per_user", Status: http.StatusTooManyRequests, Title: "That was too much at once",
		Text: "You have changed or opened too many desktops in a short time. Wait a few seconds and try again."})
	tooLong = row(refusal{Reason: "query_bytes", Status: http.StatusRequestURITooLong, Title: "The address is too long",
		Text: "Open the portal by its own address.", Again: true})
	apiAway = row(refusal{Reason: "api_server", Status: http.StatusServiceUnavailable, Title: "The portal cannot answer at the moment",
		Text: "The cluster does not answer. This page tries again by itself.", Reload: true})
)

// redeemLabel begins the reasons for which a hand-over's code opens nothing.
const redeemLabel = "handover_"

// Reasons are all of vdi_portal_refusals_total.
func Reasons() (all []string) {
	for _, r := range table {
		all = append(all, r.Reason)
	}
	for _, reason := range redeemReasons {
		all = append(all, redeemLabel+reason)
	}
	slices.Sort(all)
	return all
}

// refuse turns a visitor away.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, why *refusal) {
	s.Metrics.Refused(why.Reason)
	n := notice{Title: why.Title, Text: why.Text}
	if why.Again {
		n.Link, n.LinkText = "/", "Sign in"
	}
	if why.Reload {
		// What was typed is not sent again, and no code is used again.
		n.Reload = safe(r) && r.URL.Path != callbackPath
		w.Header().Set("Retry-After", "5")
	}
	if why.Status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "5")
	}
	s.show(w, r, why.Status, n)
}

// unavailable is for failures of the API server.
func (s *Server) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil {
		s.Log.Error("a request cannot be answered", "error", err)
	}
	s.refuse(w, r, apiAway)
}

// redirect sends a browser to an address of ours, the provider's or a session's.
func (s *Server) redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}
