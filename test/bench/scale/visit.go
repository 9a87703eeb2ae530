package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// visitor loads pages as browsers do, each with a connection of its own.
var visitor = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// visit loads a session's page, which wakes it, and stays there.
func (s *scene) visit(ctx context.Context, session *v1alpha1.VDISession) error {
	header, err := s.world.Visit(session)
	if err != nil {
		return err
	}
	for name, value := range map[string]string{"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none"} {
		header.Set(name, value)
	}
	document, err := s.get(ctx, "/", header, http.StatusAccepted) // that of a desktop which is not there yet
	if err != nil {
		return err
	}
	defer func() { _ = document.Close() }()
	if _, err := io.Copy(io.Discard, document); err != nil {
		return err
	}
	for name, value := range map[string]string{"Accept": "text/event-stream", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Sec-Fetch-Site": "same-origin"} {
		header.Set(name, value)
	}
	events, err := s.get(s.staying, page.EventsPath, header, http.StatusOK)
	if err == nil {
		context.AfterFunc(s.staying, func() { _ = events.Close() })
	}
	return err
}

func (s *scene) get(ctx context.Context, path string, header http.Header, want int) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.activator.Address+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header, req.Host = header.Clone(), header.Get("Host")
	req.Header.Del("Host")
	resp, err := visitor.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != want {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("%s of %s: %s", path, req.Host, resp.Status)
	}
	return resp.Body, nil
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
	last, err := s.scaled.Await(ctx, names)
	return last.Sub(began), err
}

// storm wakes many at once.
func (s *scene) storm(ctx context.Context) (time.Duration, error) {
	say("visiting %d sessions at once", s.options.storm)
	ctx, cancel := s.within(ctx)
	defer cancel()
	var asleep []*v1alpha1.VDISession
	for _, one := range s.sessions {
		if len(asleep) < s.options.storm && !s.scaled.Asked(one.Name) {
			asleep = append(asleep, one)
		}
	}
	return s.wake(ctx, asleep...)
}
