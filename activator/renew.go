package activator

import (
	"context"
	"net/http"
	"time"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/probe"
)

const (
	// renewAfter lets a viewer's handshake go first.
	renewAfter = 5 * time.Second
	// renewWithin bounds one file, renewAllWithin all of a session's.
	renewWithin, renewAllWithin = 10 * time.Second, time.Minute
)

// renewLater asks a desktop again for what an earlier pod of its session served, now that it
// has a viewer and stands still no longer: who comes back to it later, or to the next pod,
// is served what this one serves.
func (s *Server) renewLater(h *socket) {
	time.AfterFunc(renewAfter, func() {
		view, ok := s.Directory.Current(h.View)
		if !ok || view.Pod == nil || s.holding.Err() != nil || !s.sockets.Viewed(h.Key()) {
			return
		}
		// Of a viewer's two sockets one is enough.
		if _, under := s.renewing.LoadOrStore(h.Key(), true); under {
			return
		}
		defer s.renewing.Delete(h.Key())
		ctx, cancel := context.WithTimeout(s.holding, renewAllWithin)
		defer cancel()
		for _, path := range s.Clients.Former(view) {
			if s.renew(ctx, h, view, path) != nil {
				return
			}
		}
	})
}

// renew asks as a visitor without cookies would.
func (s *Server) renew(ctx context.Context, h *socket, view directory.View, path string) error {
	ctx, cancel := context.WithTimeout(ctx, renewWithin)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	r.Host = h.host
	r.Header.Set("Accept-Encoding", "gzip")
	conn, err := s.prober.Dial(ctx, probe.VisitOf(h.Session, time.Time{}))
	if err != nil {
		return err
	}
	rec := s.Clients.Record(&nobody{header: http.Header{}}, r, view, conn)
	defer rec.End()
	s.http.Serve(rec, r, conn, h.face, nil, func(w http.ResponseWriter, _ error) { w.WriteHeader(http.StatusBadGateway) })
	rec.Commit()
	return ctx.Err()
}

// nobody is who reads an answer that is only kept.
type nobody struct{ header http.Header }

func (n *nobody) Header() http.Header         { return n.header }
func (n *nobody) Write(b []byte) (int, error) { return len(b), nil }
func (n *nobody) WriteHeader(int)             {}
