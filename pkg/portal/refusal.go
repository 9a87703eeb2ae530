package portal

import (
	"net/http"
	"slices"

	"github.com/org/vdi-operator/pkg/portal/text"
)

// refusal is a row of the table: why a visitor is turned away. The texts refusal.<reason>.title and
// .text are for the person; both say what to do and not who else there is.
type refusal struct {
	// Reason is that of vdi_portal_refusals_total.
	Reason string
	Status int
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
	providerAway    = row(refusal{Reason: "provider_away", Status: http.StatusServiceUnavailable, Again: true, Reload: true})
	providerRefused = row(refusal{Reason: "provider_refused", Status: http.StatusForbidden, Again: true})
	badState        = row(refusal{Reason: "state", Status: http.StatusBadRequest, Again: true})
	badAnswer       = row(refusal{Reason: "answer", Status: http.StatusBadRequest, Again: true})
	badIssuer       = row(refusal{Reason: "issuer", Status: http.StatusBadRequest, Again: true})
	badToken        = row(refusal{Reason: "token", Status: http.StatusBadRequest, Again: true})
	badClaims       = row(refusal{Reason: "claims", Status: http.StatusForbidden, Again: true})
	notAllowed      = row(refusal{Reason: "not_allowed", Status: http.StatusForbidden, Again: true})
	signedOut       = row(refusal{Reason: "signed_out", Status: http.StatusUnauthorized, Again: true})
	foreign         = row(refusal{Reason: "foreign_origin", Status: http.StatusForbidden})
	unknownSession  = row(refusal{Reason: "unknown_session", Status: http.StatusNotFound})
	tooMany         = row(refusal{Reason: "sign_ins_per_address", Status: http.StatusTooManyRequests, Again: true})
	tooManyChanges  = row(refusal{Reason: "changes_per_user", Status: http.StatusTooManyRequests})
	tooLong         = row(refusal{Reason: "query_bytes", Status: http.StatusRequestURITooLong, Again: true})
	apiAway         = row(refusal{Reason: "api_server", Status: http.StatusServiceUnavailable, Reload: true})
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
	say := text.Of(r)
	n := notice{Tongue: say, Title: say.Say("refusal." + why.Reason + ".title"), Text: say.Say("refusal." + why.Reason + ".text")}
	if why.Again {
		n.Link, n.LinkText = "/", say.Say("refusal.again")
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
