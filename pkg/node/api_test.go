package node

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/node/cgroup"
	"github.com/org/vdi-operator/pkg/node/cgroup/cgrouptest"
	"github.com/org/vdi-operator/pkg/node/desktops"
	"github.com/org/vdi-operator/pkg/nodeapi"
	"github.com/org/vdi-operator/pkg/token"
	"github.com/org/vdi-operator/pkg/token/tokentest"
)

const nodeName = "node-a"

// fixture is the program on a node with one desktop.
type fixture struct {
	t       *testing.T
	api     *API
	at      netip.AddrPort
	signer  *token.Signer
	order   token.Order
	desktop cgroup.Container
	reg     *prometheus.Registry
	log     *bytes.Buffer
}

type dozing struct{}

func (dozing) Ask(context.Context, types.NamespacedName, types.UID) (desktops.Says, error) {
	return desktops.Dozes, nil
}

func each(t *testing.T, test func(*fixture)) {
	t.Helper()
	cgrouptest.Each(t, func(t *testing.T, h cgrouptest.Hierarchy) {
		f := &fixture{t: t, signer: tokentest.Signer(t), reg: prometheus.NewRegistry(), log: &bytes.Buffer{}}
		id := cgrouptest.ID()
		uid := h.Pod(t, id)
		f.desktop = h.Sleeper(t, uid, id)
		log := slog.New(slog.NewTextHandler(f.log, nil))
		var ds *desktops.Desktops
		m := metrics.NewNode(f.reg, func() int { return ds.Frozen() })
		ds = desktops.New(desktops.Options{Root: h.Root, Sessions: dozing{}, PageOut: true, PulseEvery: time.Hour, PulseFor: time.Millisecond,
			Metrics: m, Log: slog.New(slog.DiscardHandler), Now: time.Now})
		t.Cleanup(ds.Close)
		ds.Seen(&corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "ada-0", UID: uid, Labels: map[string]string{v1alpha1.LabelSession: "ada"}},
			Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: v1alpha1.ContainerDesktop, ContainerID: "containerd://" + id,
				State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}}})
		f.order = token.Order{Pod: types.NamespacedName{Namespace: "team", Name: "ada-0"}, PodUID: uid, Session: "1-2-3", Node: nodeName}
		f.api = &API{Node: nodeName, Verifier: f.signer.Verifier(), Desktops: ds, Metrics: m, Log: log, Now: time.Now,
			Pressure: func() (nodeapi.Pressure, error) { return nodeapi.Pressure{Stalled: 12.5, Available: 30}, nil }}
		srv := httptest.NewServer(f.api.Handler())
		t.Cleanup(srv.Close)
		f.at = netip.MustParseAddrPort(srv.Listener.Addr().String())
		test(f)
	})
}

// sign signs an order that is given now, changed.
func (f *fixture) sign(action token.Action, change func(*token.Order)) string {
	f.t.Helper()
	o := f.order
	o.Action, o.Issued = action, time.Now()
	if change != nil {
		change(&o)
	}
	raw, err := f.signer.SignOrder(o, token.OrderLife)
	require.NoError(f.t, err)
	return raw
}

// freeze freezes the desktop, as soon as the program has looked at it.
func (f *fixture) freeze() (order string) {
	f.t.Helper()
	eventually.NoError(f.t, "freezing", func() error {
		order = f.sign(token.ActionFreeze, nil)
		return nodeapi.NewClient().Freeze(f.t.Context(), f.at, order)
	})
	return order
}

func (f *fixture) expectFrozen(want bool) {
	f.t.Helper()
	is, err := f.desktop.Frozen()
	require.NoError(f.t, err)
	require.Equal(f.t, want, is)
}

func TestADesktopIsFrozenAndThawedByWhoHasAnOrder(t *testing.T) {
	each(t, func(f *fixture) {
		f.freeze()
		f.expectFrozen(true)
		require.NoError(t, nodeapi.NewClient().Thaw(t.Context(), f.at, f.sign(token.ActionThaw, nil)))
		f.expectFrozen(false)
		assert.NoError(t, testutil.GatherAndCompare(f.reg, strings.NewReader(`# HELP vdi_node_frozen_desktops Desktops of the node that are frozen, those that run for a moment of a pulse included.
# TYPE vdi_node_frozen_desktops gauge
vdi_node_frozen_desktops 0
`), "vdi_node_frozen_desktops"))
	})
}

func TestAnOrderThatIsNotForThisProgramIsRefused(t *testing.T) {
	each(t, func(f *fixture) {
		client := nodeapi.NewClient()
		stranger, err := tokentest.Signer(t).SignOrder(token.Order{Action: token.ActionThaw, Pod: f.order.Pod, PodUID: f.order.PodUID, Session: "1",
			Node: nodeName, Issued: time.Now()}, token.OrderLife)
		require.NoError(t, err)
		link, err := f.signer.Sign(token.AudienceAgent, token.Subject{User: "ada", Session: f.order.Pod, UID: "1"}, time.Now(), time.Hour)
		require.NoError(t, err)
		frozen := f.freeze()
		for name, order := range map[string]string{
			"none":                       "",
			"another key":                stranger,
			"another kind of token":      link,
			"another node":               f.sign(token.ActionThaw, func(o *token.Order) { o.Node = "node-b" }),
			"another action":             f.sign(token.ActionFreeze, nil),
			"expired":                    f.sign(token.ActionThaw, func(o *token.Order) { o.Issued = time.Now().Add(-5 * time.Minute) }),
			"of the future":              f.sign(token.ActionThaw, func(o *token.Order) { o.Issued = time.Now().Add(5 * time.Minute) }),
			"the freeze that was obeyed": frozen,
		} {
			require.ErrorIs(t, client.Thaw(t.Context(), f.at, order), nodeapi.ErrRefused, name)
			f.expectFrozen(true)
		}
		for name, change := range map[string]func(*token.Order){
			"another pod's UID": func(o *token.Order) { o.PodUID = "0f1d3c1e-0000-0000-0000-1f9a4f5a8f10" },
			"another pod":       func(o *token.Order) { o.Pod.Name = "bob-0" },
		} {
			require.ErrorIs(t, client.Thaw(t.Context(), f.at, f.sign(token.ActionThaw, change)), nodeapi.ErrNoPod, name)
			f.expectFrozen(true)
		}
		thaw := f.sign(token.ActionThaw, nil)
		require.NoError(t, client.Thaw(t.Context(), f.at, thaw))
		require.ErrorIs(t, client.Freeze(t.Context(), f.at, frozen), nodeapi.ErrOvertaken, "a freeze shown again")
		f.expectFrozen(false)
		f.freeze()
		require.ErrorIs(t, client.Thaw(t.Context(), f.at, thaw), nodeapi.ErrOvertaken, "a thaw shown again")
		f.expectFrozen(true)
		assert.NotContains(t, f.log.String(), "eyJ", "a token is in the log")
	})
}

func TestMemoryPressureIsToldToWhoHasAnOrderForIt(t *testing.T) {
	each(t, func(f *fixture) {
		ask := func(order string) (nodeapi.Pressure, error) {
			return nodeapi.NewClient().Pressure(t.Context(), f.at, order)
		}
		of := func(node string) string {
			raw, err := f.signer.SignOrder(token.Order{Action: token.ActionPressure, Node: node, Issued: time.Now()}, token.OrderLife)
			require.NoError(t, err)
			return raw
		}
		got, err := ask(of(nodeName))
		require.NoError(t, err)
		assert.Equal(t, nodeapi.Pressure{Stalled: 12.5, Available: 30}, got)
		stranger, err := tokentest.Signer(t).SignOrder(token.Order{Action: token.ActionPressure, Node: nodeName, Issued: time.Now()}, token.OrderLife)
		require.NoError(t, err)
		for name, order := range map[string]string{"none": "", "another key": stranger, "another node": of("node-b"), "another action": f.sign(token.ActionThaw, nil)} {
			_, err = ask(order)
			require.ErrorIs(t, err, nodeapi.ErrRefused, name)
		}
		assert.NoError(t, testutil.GatherAndCompare(f.reg, strings.NewReader(`# HELP vdi_node_pressure_refusals_total Questions for the node's memory pressure without an order for it, which were refused.
# TYPE vdi_node_pressure_refusals_total counter
vdi_node_pressure_refusals_total 4
`), "vdi_node_pressure_refusals_total"))
		f.freeze()
		require.ErrorIs(t, nodeapi.NewClient().Thaw(t.Context(), f.at, of(nodeName)), nodeapi.ErrRefused, "it orders nothing")
		f.expectFrozen(true)
		f.api.Pressure = func() (nodeapi.Pressure, error) { return nodeapi.Pressure{}, errors.New("the kernel does not tell") }
		_, err = ask(of(nodeName))
		require.ErrorIs(t, err, nodeapi.ErrCannot)
		assert.ErrorContains(t, err, "the kernel does not tell")
	})
}

func TestWhoIsRefusedAgainAndAgainFillsNoLog(t *testing.T) {
	var log bytes.Buffer
	m := metrics.NewNode(prometheus.NewRegistry(), func() int { return 0 })
	now := time.Now()
	a := &API{Node: nodeName, Verifier: tokentest.Signer(t).Verifier(), Desktops: &desktops.Desktops{}, Metrics: m,
		Log: slog.New(slog.NewTextHandler(&log, nil)), Now: func() time.Time { return now }}
	h := a.Handler()
	asks := func(times int) (lines int) {
		log.Reset()
		for range times {
			for method, path := range map[string]string{http.MethodPost: nodeapi.ThawPath, http.MethodGet: nodeapi.PressurePath} {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequest(method, path, http.NoBody))
				assert.Equal(t, http.StatusForbidden, w.Code)
			}
		}
		return bytes.Count(log.Bytes(), []byte("refused an order"))
	}
	assert.Equal(t, refusedAtOnce, asks(100))
	now = now.Add(10 * time.Second)
	assert.Equal(t, 1, asks(100))
}

func TestARequestSaysNothingButItsOrder(t *testing.T) {
	each(t, func(f *fixture) {
		f.freeze()
		for name, r := range map[string]func() (*http.Request, error){
			"a body": func() (*http.Request, error) {
				return http.NewRequest(http.MethodPost, nodeapi.ThawPath, strings.NewReader(`{"pid":1}`))
			},
			"a body without a length": func() (*http.Request, error) {
				return http.NewRequest(http.MethodPost, nodeapi.ThawPath, io.NopCloser(strings.NewReader("x")))
			},
			"GET":          func() (*http.Request, error) { return http.NewRequest(http.MethodGet, nodeapi.ThawPath, http.NoBody) },
			"another path": func() (*http.Request, error) { return http.NewRequest(http.MethodPost, "/v1/kill", http.NoBody) },
		} {
			req, err := r()
			require.NoError(t, err)
			req.URL.Scheme, req.URL.Host = "http", f.at.String()
			req.Header.Set("Authorization", "Bearer "+f.sign(token.ActionThaw, nil))
			answer, err := http.DefaultClient.Do(req)
			require.NoError(t, err, name)
			_ = answer.Body.Close()
			assert.GreaterOrEqual(t, answer.StatusCode, 400, name)
			f.expectFrozen(true)
		}
	})
}

func TestMoreOrdersThanAtOnceMayBeAreSentAway(t *testing.T) {
	signer := tokentest.Signer(t)
	m := metrics.NewNode(prometheus.NewRegistry(), func() int { return 0 })
	a := &API{Node: nodeName, Verifier: signer.Verifier(), Metrics: m, Log: slog.New(slog.DiscardHandler), Now: time.Now}
	at, end := make(chan struct{}), make(chan struct{})
	h := a.orders(token.ActionThaw, 1, func(context.Context, token.Order) error {
		at <- struct{}{}
		<-end
		return nil
	}, m.Thawed)
	ask := func() *httptest.ResponseRecorder {
		raw, err := signer.SignOrder(token.Order{Action: token.ActionThaw, Pod: types.NamespacedName{Namespace: "a", Name: "b"}, PodUID: "1", Session: "2",
			Node: nodeName, Issued: time.Now()}, token.OrderLife)
		assert.NoError(t, err)
		r, w := httptest.NewRequest(http.MethodPost, nodeapi.ThawPath, http.NoBody), httptest.NewRecorder()
		r.Header.Set("Authorization", "Bearer "+raw)
		h.ServeHTTP(w, r)
		return w
	}
	first := make(chan int)
	go func() { first <- ask().Code }()
	<-at
	w := ask()
	assert.Equal(t, http.StatusServiceUnavailable, w.Code)
	assert.Contains(t, w.Body.String(), "too many orders at once")
	close(end)
	assert.Equal(t, http.StatusNoContent, <-first)
}
