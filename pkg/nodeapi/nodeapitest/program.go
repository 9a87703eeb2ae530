// Package nodeapitest has a program of a node for tests: it checks orders as the real one does,
// obeys the latest of each pod, and freezes nothing but its own record.
package nodeapitest

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/nodeapi"
	"github.com/org/vdi-operator/pkg/token"
)

// Program is one on a node, at an address of this machine's.
type Program struct {
	Node    string
	Address netip.AddrPort
	// Now is the clock by which orders expire. Set it before the first.
	Now func() time.Time

	verifier *token.Verifier
	server   *httptest.Server
	pod      *corev1.Pod

	mu sync.Mutex
	// frozen and last are by the pod's UID.
	frozen map[types.UID]bool
	last   map[types.UID]time.Time
	obeyed []token.Action
	// pressure is the node's; asked counts who asked for it.
	pressure nodeapi.Pressure
	asked    int
	// before is called with each order before it is obeyed; it may answer instead.
	before func(http.ResponseWriter, token.Order) (answered bool)
}

// Start starts a program that ends with the test.
func Start(t testing.TB, verifier *token.Verifier, node string) *Program {
	t.Helper()
	p := &Program{Node: node, Now: time.Now, verifier: verifier, frozen: map[types.UID]bool{}, last: map[types.UID]time.Time{},
		pressure: nodeapi.Pressure{Available: 100}}
	listener := listen(t)
	p.Address = netip.MustParseAddrPort(listener.Addr().String())
	p.pod = &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "vdi-system", Name: "node-" + node, UID: types.UID("program-" + node),
			Labels: map[string]string{nodeapi.ComponentLabel: nodeapi.Component}},
		Spec: corev1.PodSpec{NodeName: node},
		Status: corev1.PodStatus{PodIP: p.Address.Addr().String(), Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
			ContainerStatuses: []corev1.ContainerStatus{{Name: "node"}}},
	}
	p.server = httptest.NewUnstartedServer(http.HandlerFunc(p.serve))
	_ = p.server.Listener.Close()
	p.server.Listener = listener
	p.server.Start()
	t.Cleanup(p.server.Close)
	return p
}

// listen listens at the programs' port, at a loopback address that nobody else has.
func listen(t testing.TB) net.Listener {
	t.Helper()
	var err error
	for i := 2; i < 255; i++ {
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.7.%d:%d", i, nodeapi.Port)); err == nil {
			return l
		}
	}
	require.NoError(t, err)
	return nil
}

// Pod is the program's, as it is ready.
func (p *Program) Pod() *corev1.Pod { return p.pod.DeepCopy() }

// Restart makes the program forget all and thaw all, as a new start does; Pod is another then.
func (p *Program) Restart() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen, p.last = map[types.UID]bool{}, map[types.UID]time.Time{}
	p.pod.Status.ContainerStatuses[0].RestartCount++
}

// Before has f see each order before it is obeyed; f may answer it instead.
func (p *Program) Before(f func(http.ResponseWriter, token.Order) (answered bool)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.before = f
}

// Feels sets the node's memory pressure; at the start it has none.
func (p *Program) Feels(pressure nodeapi.Pressure) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pressure = pressure
}

// Asked is how often it was asked for that.
func (p *Program) Asked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// Freeze gives the program an order to freeze, as the operator does.
func (p *Program) Freeze(t testing.TB, order string) {
	t.Helper()
	require.NoError(t, nodeapi.NewClient().Freeze(t.Context(), p.Address, order))
}

// Frozen says whether a pod's desktop is frozen.
func (p *Program) Frozen(pod types.UID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.frozen[pod]
}

// Obeyed are the orders that were obeyed, as words.
func (p *Program) Obeyed() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	words := make([]string, len(p.obeyed))
	for i, action := range p.obeyed {
		words[i] = string(action)
	}
	return strings.Join(words, " ")
}

func (p *Program) serve(w http.ResponseWriter, r *http.Request) {
	raw, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	order, err := p.verifier.VerifyOrder(raw, p.Now())
	method, path := http.MethodPost, map[token.Action]string{token.ActionFreeze: nodeapi.FreezePath, token.ActionThaw: nodeapi.ThawPath,
		token.ActionPressure: nodeapi.PressurePath}[order.Action]
	if order.Action == token.ActionPressure {
		method = http.MethodGet
	}
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	case r.Method != method || r.URL.Path != path || order.Node != p.Node:
		http.Error(w, "not this node or action", http.StatusForbidden)
		return
	}
	p.mu.Lock()
	before := p.before
	p.mu.Unlock()
	if before != nil && before(w, order) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if order.Action == token.ActionPressure {
		p.asked++
		_ = json.NewEncoder(w).Encode(p.pressure)
		return
	}
	if order.Issued.Before(p.last[order.PodUID]) {
		http.Error(w, "a later order was obeyed", http.StatusConflict)
		return
	}
	p.last[order.PodUID], p.frozen[order.PodUID] = order.Issued, order.Action == token.ActionFreeze
	p.obeyed = append(p.obeyed, order.Action)
	w.WriteHeader(http.StatusNoContent)
}
