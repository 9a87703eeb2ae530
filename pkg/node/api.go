// Package node is the program on a node that freezes and thaws desktops, and says how short of
// memory the node is: package nodeapi says what it is asked, packages desktops and pressure do it.
//
// It promises that an order is obeyed only if this installation signed it, for this node, this
// action and this moment, and that it takes nothing else from a request.
package node

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/node/desktops"
	"github.com/org/vdi-operator/pkg/nodeapi"
	"github.com/org/vdi-operator/pkg/token"
)

const (
	// MaxFreezes is how many orders to freeze are at work at once; further ones are answered 503.
	// They are bounded apart from MaxThaws, so that they keep no visitor waiting.
	MaxFreezes = 8
	// MaxThaws is how many orders to thaw are at work at once.
	MaxThaws = 64
	// MaxHeader bounds the head of a request, in bytes: a token has token.MaxLength at most.
	MaxHeader = 8 << 10
	// orderWithin bounds one order, whatever its sender has left of patience.
	orderWithin = 8 * time.Second
	// refusedPerSecond and refusedAtOnce bound the lines of the log about orders that are refused:
	// whoever reaches the port can send more, and metrics count them all.
	refusedPerSecond, refusedAtOnce = 0.1, 20
)

// API serves orders.
type API struct {
	// Node is the node's name.
	Node     string
	Verifier *token.Verifier
	Desktops *desktops.Desktops
	// Pressure is how short of memory the node is.
	Pressure func() (nodeapi.Pressure, error)
	Metrics  *metrics.Node
	Log      *slog.Logger
	Now      func() time.Time

	// lines paces what is said of refusals.
	lines *rate.Limiter
}

// Handler serves the API. No connection is kept: orders are rare.
func (a *API) Handler() http.Handler {
	a.lines = rate.NewLimiter(refusedPerSecond, refusedAtOnce)
	mux := http.NewServeMux()
	mux.Handle("POST "+nodeapi.FreezePath, a.orders(token.ActionFreeze, MaxFreezes, a.Desktops.Freeze,
		func(r metrics.OrderResult, _ time.Duration) { a.Metrics.Froze(r) }))
	mux.Handle("POST "+nodeapi.ThawPath, a.orders(token.ActionThaw, MaxThaws, a.Desktops.Thaw, a.Metrics.Thawed))
	mux.HandleFunc("GET "+nodeapi.PressurePath, a.pressure)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		mux.ServeHTTP(w, r)
	})
}

// orders serves those of one action.
func (a *API) orders(action token.Action, atOnce int, obey func(context.Context, token.Order) error,
	count func(metrics.OrderResult, time.Duration)) http.Handler {
	places := make(chan struct{}, atOnce)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := a.Now()
		order, reason := a.order(r, action)
		if reason != "" {
			count(metrics.OrderRefused, 0)
			a.refuse(w, r, action, reason)
			return
		}
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
		default:
			count(metrics.OrderLimited, 0)
			http.Error(w, "too many orders at once; give it again", http.StatusServiceUnavailable)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), orderWithin)
		defer cancel()
		err := obey(ctx, order)
		result, status := outcome(err)
		count(result, a.Now().Sub(began))
		if err == nil {
			w.WriteHeader(status)
			return
		}
		a.Log.Info("did not obey an order", "action", action, "namespace", order.Pod.Namespace, "pod", order.Pod.Name, "reason", err)
		http.Error(w, err.Error(), status)
	})
}

// pressure says how short of memory the node is. It takes a moment, so nothing bounds how many ask.
func (a *API) pressure(w http.ResponseWriter, r *http.Request) {
	if _, reason := a.order(r, token.ActionPressure); reason != "" {
		a.Metrics.PressureRefused()
		a.refuse(w, r, token.ActionPressure, reason)
		return
	}
	is, err := a.Pressure()
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(is) // whose connection breaks asks again
}

// refuse answers an order that is not for this program to obey.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, action token.Action, reason string) {
	if a.lines.AllowN(a.Now(), 1) {
		a.Log.Info("refused an order", "action", action, "from", r.RemoteAddr, "reason", reason)
	}
	http.Error(w, reason, http.StatusForbidden)
}

// order reads the order of a request; reason says why there is none for this program to obey.
func (a *API) order(r *http.Request, action token.Action) (o token.Order, reason string) {
	if r.ContentLength != 0 {
		return o, "an order has no body"
	}
	raw, is := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !is {
		return o, "there is no order: send it as Authorization: Bearer"
	}
	o, err := a.Verifier.VerifyOrder(raw, a.Now())
	switch {
	case err != nil:
		return o, err.Error()
	case o.Node != a.Node:
		return o, "the order is for another node"
	case o.Action != action:
		return o, "the order is for another action"
	}
	return o, ""
}

func outcome(err error) (metrics.OrderResult, int) {
	switch {
	case err == nil:
		return metrics.OrderDone, http.StatusNoContent
	case errors.Is(err, desktops.ErrNoPod):
		return metrics.OrderNoPod, http.StatusNotFound
	case errors.Is(err, desktops.ErrOvertaken):
		return metrics.OrderOvertaken, http.StatusConflict
	default:
		return metrics.OrderFailed, http.StatusServiceUnavailable
	}
}
