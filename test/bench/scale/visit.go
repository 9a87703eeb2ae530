package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// visitor loads pages as browsers do, each with a connection of its own.
var visitor = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// visit loads a session's page, which wakes it.
func (s *scene) visit(ctx context.Context, session *v1alpha1.VDISession) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.activator.Address+"/", nil)
	if err != nil {
		return err
	}
	if req.Header, err = s.world.Visit(session); err != nil {
		return err
	}
	req.Host = req.Header.Get("Host")
	req.Header.Del("Host")
	for name, value := range map[string]string{"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none"} {
		req.Header.Set(name, value)
	}
	resp, err := visitor.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusAccepted { // the page of a desktop that is not there yet
		return fmt.Errorf("the page of %s: %s", session.Name, resp.Status)
	}
	return nil
}

// wake visits sessions at once and returns how long it took until the Deployment of each
// asked for a pod.
func (s *scene) wake(ctx context.Context, sessions ...*v1alpha1.VDISession) (time.Duration, error) {
	names := make([]string, len(sessions))
	began := time.Now()
	group, visiting := errgroup.WithContext(ctx)
	for i, one := range sessions {
		names[i] = one.Name
		group.Go(func() error { return s.visit(visiting, one) })
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	last, err := s.scaled.await(ctx, names)
	return last.Sub(began), err
}

// storm wakes many at once.
func (s *scene) storm(ctx context.Context) (time.Duration, error) {
	say("visiting %d sessions at once", s.options.storm)
	ctx, cancel := s.within(ctx)
	defer cancel()
	var asleep []*v1alpha1.VDISession
	for _, one := range s.sessions {
		if _, missing, _ := s.scaled.seen([]string{one.Name}); missing == 1 && len(asleep) < s.options.storm {
			asleep = append(asleep, one)
		}
	}
	return s.wake(ctx, asleep...)
}
