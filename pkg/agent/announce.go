package agent

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/org/vdi-operator/pkg/agentapi"
)

const (
	// findEvery is how soon an activator that came later is found.
	findEvery = 15 * time.Second
	// firstRetry and lastRetry are the pauses after a failure, which double.
	firstRetry, lastRetry = 20 * time.Millisecond, 10 * time.Second
)

// announce announces the pod to every activator, until ctx ends.
func (a *Agent) announce(ctx context.Context) {
	announcers := map[peer]context.CancelFunc{}
	var running sync.WaitGroup
	defer running.Wait()
	retry := firstRetry
	for first := true; ; {
		peers, err := a.Activators(ctx)
		if err != nil || len(peers) == 0 {
			if first && retry > time.Second {
				a.Log.Warn("no activator was found yet; it is retried", "error", err)
				first = false
			}
			// Those that are known stay: DNS may be away for a while.
			if !sleep(ctx, retry) {
				return
			}
			retry = min(2*retry, lastRetry)
			continue
		}
		retry = firstRetry
		a.mu.Lock()
		a.peers = peers
		a.mu.Unlock()
		for p, stop := range announcers {
			if !slices.Contains(peers, p) {
				stop()
				delete(announcers, p)
			}
		}
		for _, p := range peers {
			if announcers[p] == nil {
				ctx, stop := context.WithCancel(ctx)
				announcers[p] = stop
				running.Go(func() { a.announceTo(ctx, p) })
			}
		}
		if !sleep(ctx, findEvery) {
			return
		}
	}
}

// announceTo announces the pod to one activator: now, and at each change.
func (a *Agent) announceTo(ctx context.Context, p peer) {
	log := a.Log.With("activator", p.String())
	retry := firstRetry
	for {
		a.mu.Lock()
		is, changed := a.is, a.changed
		a.mu.Unlock()
		pause := (<-chan time.Time)(nil)
		if err := a.announceOnce(ctx, p, is); err == nil {
			log.Info("announced the pod", "listening", is.listening, "standsIn", is.standsIn)
			retry = firstRetry
		} else if ctx.Err() == nil {
			log.Warn("an activator did not take the announcement", "error", err)
			// An activator that does not believe the address will not do so later either,
			// and uses the API's.
			var refused *refusal
			if !errors.As(err, &refused) || refused.status != http.StatusConflict {
				pause = time.After(retry)
				retry = min(2*retry, lastRetry)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-pause:
		}
	}
}

func (a *Agent) announceOnce(ctx context.Context, p peer, is state) error {
	own, err := addressTowards(p)
	if err != nil {
		return err
	}
	_, err = a.post(ctx, p, agentapi.AnnouncePath,
		agentapi.Announcement{Pod: a.Pod, Address: own, Listening: is.listening, Port: is.port, StandsIn: is.standsIn})
	return err
}
