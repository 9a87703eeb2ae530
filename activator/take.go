package activator

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/activator/viewer"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// leaveWithin is how long the page that was taken over has to take its desktop's
// frame away by itself. Its client, were it closed before, would connect again.
const leaveWithin = 500 * time.Millisecond

// serveTake makes the page of a person the viewer who asked for it.
func (s *Server) serveTake(w http.ResponseWriter, r *http.Request, v visitor) {
	if !posted(w, r) {
		return
	}
	name := page.NameOf(r)
	if name == "" {
		http.Error(w, "say which page: the parameter "+page.PageQuery+" with 32 hexadecimal digits", http.StatusBadRequest)
		return
	}
	if err := s.take(r.Context(), v, name); err != nil {
		s.refuseTake(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// take makes a page the viewer and waits a moment until the record shows it.
func (s *Server) take(ctx context.Context, v visitor, name string) error {
	from, err := s.viewers.Take(ctx, v.key, name)
	if err != nil {
		return err
	}
	s.viewers.Asks(viewer.Page{Session: v.key, Name: name}) // its stream, if any, may be another replica's
	if from != "" {
		s.Metrics.Takeovers.Inc()
		s.Log.Info("a page took the desktop over", "namespace", v.key.Namespace, "session", v.key.Name)
	}
	s.await(ctx, v, func(view directory.View) bool {
		return viewer.ViewingOf(view.Session, name, false) != page.ViewingOthers
	})
	return nil
}

func (s *Server) refuseTake(w http.ResponseWriter, err error) {
	w.Header().Set("Cache-Control", "no-store")
	if busy := (viewer.BusyError{}); errors.As(err, &busy) {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(busy.Wait.Seconds()))))
		http.Error(w, busy.Error(), http.StatusTooManyRequests)
		return
	}
	s.Log.Warn("who views was not recorded", "error", err)
	http.Error(w, "it was not recorded; try again", http.StatusServiceUnavailable)
}

// viewerChanged ends the connections of a viewer that another page has taken over. Those
// of the new one are younger than its record.
func (s *Server) viewerChanged(before, after *v1alpha1.VDISession) {
	if before == nil {
		return
	}
	was, is := viewer.ViewedBy(before), viewer.ViewedBy(after)
	if was == "" || is == "" || was == is {
		return
	}
	// By this replica's clock: that of the replica which wrote the record may differ.
	key, seen := client.ObjectKeyFromObject(after), time.Now()
	time.AfterFunc(leaveWithin, func() { s.sockets.EndViewer(key, seen) })
}
