package turnconfig

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/cache"

	"github.com/org/vdi-operator/pkg/turn"
)

const (
	// addressTimeout is how long a TURN server may take to say its public address, for
	// which a visitor waits; one that did not is left alone for addressPause.
	addressTimeout = time.Second
	addressPause   = 5 * time.Second
	// addressFor is how long an address is believed, and maxServers of how many servers.
	addressFor = 24 * time.Hour
	maxServers = 1 << 10
	// longestAddress is more than an answer has, in bytes.
	longestAddress = 4096
)

// publicAddresses remembers what TURN servers said about themselves. They find their
// address once, at their start, so that they are asked once.
type publicAddresses struct {
	mu sync.Mutex
	// known has the address by serverRun, empty until a failed server is asked again.
	known *cache.LRUExpireCache
}

// serverRun is one run of a pod's container.
type serverRun struct {
	pod      types.UID
	restarts int32
}

// of asks those that are not known yet, all at once; who does not answer is left out.
func (k *publicAddresses) of(servers []*corev1.Pod, port int, log *slog.Logger) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known == nil {
		k.known = cache.NewLRUExpireCache(maxServers)
	}
	addresses := make([]string, len(servers))
	var work sync.WaitGroup
	for i, p := range servers {
		if known, ok := k.known.Get(runOf(p)); ok {
			addresses[i] = known.(string)
			continue
		}
		work.Go(func() {
			address, err := askAddress(p, port)
			addresses[i] = address
			if err == nil {
				k.known.Add(runOf(p), address, addressFor)
				return
			}
			k.known.Add(runOf(p), "", addressPause)
			log.Warn("a TURN server does not say its public address and is not announced", "pod", p.Name, "error", err)
		})
	}
	work.Wait()
	return slices.DeleteFunc(addresses, func(a string) bool { return a == "" })
}

func runOf(p *corev1.Pod) serverRun {
	run := serverRun{pod: p.UID}
	for i := range p.Status.ContainerStatuses {
		run.restarts += p.Status.ContainerStatuses[i].RestartCount
	}
	return run
}

func askAddress(p *corev1.Pod, port int) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), addressTimeout)
	defer cancel()
	at := "http://" + net.JoinHostPort(p.Status.PodIP, strconv.Itoa(port)) + turn.AddressPath
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, longestAddress))
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answered %s: %.200q", at, resp.Status, raw)
	}
	var a turn.Announcement
	if err := json.Unmarshal(raw, &a); err != nil {
		return "", fmt.Errorf("%s: %w", at, err)
	}
	if _, err := netip.ParseAddr(a.Address); err != nil {
		return "", fmt.Errorf("%s: %w", at, err)
	}
	return a.Address, nil
}
