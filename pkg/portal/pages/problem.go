package pages

import (
	"context"
	"errors"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// problem is why there is no page, or why nothing was done: texts <key>.title and <key>.text.
type problem struct {
	status int
	key    string
	with   []any
	// said is what the cluster says.
	said string
}

var (
	problemNotFound  = &problem{status: http.StatusNotFound, key: "notFound"}
	problemForbidden = &problem{status: http.StatusForbidden, key: "forbidden"}
	problemOff       = &problem{status: http.StatusConflict, key: "off"}
	problemAlways    = &problem{status: http.StatusConflict, key: "always"}
	problemBusy      = &problem{status: http.StatusConflict, key: "busy"}
	problemChanged   = &problem{status: http.StatusConflict, key: "changed"}
	problemTemplate  = &problem{status: http.StatusNotFound, key: "noTemplate"}
	problemRights    = &problem{status: http.StatusForbidden, key: "rights"}
	problemBroken    = &problem{status: http.StatusServiceUnavailable, key: "broken"}
)

func (v *visit) problem(p *problem) {
	v.render(view{Status: p.status, File: "problem.html", Title: v.Say(p.key + ".title"), Data: struct{ Text, Said string }{
		v.Say(p.key+".text", p.with...), p.said}})
}

// failed says in words why the API server did not do it.
func (v *visit) failed(err error) *problem {
	switch {
	case errors.Is(err, context.Canceled):
		return problemBroken // whoever asked has gone
	case apierrors.IsNotFound(err):
		return problemNotFound
	case apierrors.IsConflict(err):
		return problemChanged
	case lacksRights(err):
		v.Pages.Log.Error(err, "the portal's service account lacks a right")
		return problemRights
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return &problem{status: http.StatusConflict, key: "refused", said: plain(err)}
	}
	v.Pages.Log.Error(err, "the API server did not answer a visitor")
	return problemBroken
}

// lacksRights tells RBAC's refusal, which names the service account, from those of quotas and
// admission policies, which are for people.
func lacksRights(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), " cannot ") && strings.Contains(err.Error(), "User \"")
}

// plain is a refusal without the names that the API server puts before it.
func plain(err error) string {
	said := err.Error()
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		if d := status.Status().Details; d != nil && len(d.Causes) > 0 {
			causes := make([]string, len(d.Causes))
			for i, c := range d.Causes {
				causes[i] = strings.TrimSpace(strings.TrimPrefix(c.Field+": ", ": ") + c.Message)
			}
			return strings.Join(causes, "; ")
		}
	}
	for _, before := range []string{" is forbidden: ", " denied the request: ", " is invalid: "} {
		if _, after, is := strings.Cut(said, before); is {
			said = after
		}
	}
	return said
}
