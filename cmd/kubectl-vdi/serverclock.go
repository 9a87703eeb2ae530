package main

import (
	"net/http"
	"sync/atomic"
	"time"
)

// believed is how far a clock may differ from the API server's before that is taken instead:
// answers carry whole seconds, and come late.
const believed = 5 * time.Second

// serverClock is the API server's, by the dates of its answers: a request for a wake or a sleep
// from a computer whose clock is ahead would otherwise count later, or never.
type serverClock struct{ ahead atomic.Int64 }

func (c *serverClock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *serverClock) watch(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		answer, err := next.RoundTrip(r)
		if err != nil {
			return answer, err
		}
		if date, err := http.ParseTime(answer.Header.Get("Date")); err == nil {
			ahead := time.Until(date)
			if ahead.Abs() < believed {
				ahead = 0
			}
			c.ahead.Store(int64(ahead))
		}
		return answer, nil
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (t roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }
