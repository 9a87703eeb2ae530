package pageapi

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/activator/viewer"
)

// serveTake makes the page of a person the viewer who asked for it.
func (a *API) serveTake(w http.ResponseWriter, r *http.Request, v Visitor) {
	name := page.NameOf(r)
	if name == "" {
		http.Error(w, "say which page: the parameter "+page.PageQuery+" with 32 hexadecimal digits", http.StatusBadRequest)
		return
	}
	if err := a.take(r.Context(), v, name); err != nil {
		a.refuseTake(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// take makes a page the viewer and waits a moment until the record shows it.
func (a *API) take(ctx context.Context, v Visitor, name string) error {
	over, err := a.Viewers.Take(ctx, viewer.Page{Session: v.Key(), Name: name})
	if err != nil {
		return err
	}
	if over {
		a.Metrics.Takeovers.Inc()
		a.Log.Info("a page took the desktop over", "namespace", v.Session.Namespace, "session", v.Session.Name)
		a.await(ctx, v.View, func(view directory.View) bool {
			by := viewer.ViewedBy(view.Session)
			return by == "" || by == name
		})
	}
	return nil
}

func (a *API) refuseTake(w http.ResponseWriter, err error) {
	w.Header().Set("Cache-Control", "no-store")
	if busy := (viewer.BusyError{}); errors.As(err, &busy) {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(busy.Wait.Seconds()))))
		http.Error(w, busy.Error(), http.StatusTooManyRequests)
		return
	}
	a.Log.Warn("who views was not recorded", "error", err)
	http.Error(w, "it was not recorded; try again", http.StatusServiceUnavailable)
}
