// Package turnconfig answers clients and desktops that ask for their TURN configuration.
//
// It promises a credential that is bound to the session, and the servers as they are now.
// It does not know who asks: the caller has checked that.
package turnconfig

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/activator/signaling"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/pods"
	"github.com/org/vdi-operator/pkg/turn"
)

// Server mints credentials for clients and desktops.
type Server struct {
	Config config.TURN
	// Secret is what coturn knows too, as it is now.
	Secret func() []byte
	// Pods reads coturn's pods where they are discovered; cached.
	Pods client.Reader
	Log  *slog.Logger

	public publicAddresses
}

// Serve answers with a configuration whose credential is bound to the session.
func (t *Server) Serve(w http.ResponseWriter, s *v1alpha1.VDISession) {
	ttl := t.Config.CredentialTTL.Duration
	c := turn.Mint(t.Secret(), s.Namespace+"/"+s.Name, time.Now(), ttl)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(turn.Config(t.urls(), c, ttl, string(signaling.ICEPolicyFor(signaling.Streaming(s), t.Config))))
}

// urls are the configured ones, or those of coturn's servers. A server that is about to
// end counts where there is no other: it still serves, and its successor, which needs the
// same ports of the node, waits for it.
func (t *Server) urls() []string {
	d := t.Config.Discovery
	if len(t.Config.URLs) > 0 || d == nil {
		return t.Config.URLs
	}
	var coturn corev1.PodList
	if err := t.Pods.List(context.Background(), &coturn, client.InNamespace(d.Namespace), client.MatchingLabels(d.Selector)); err != nil {
		t.Log.Warn("coturn's pods cannot be listed; visitors get no TURN server", "error", err)
		return nil
	}
	var serving, ending []*corev1.Pod
	for i := range coturn.Items {
		switch p := &coturn.Items[i]; {
		case p.Status.HostIP == "":
		case p.DeletionTimestamp == nil && pods.Ready(p):
			serving = append(serving, p)
		case p.DeletionTimestamp != nil && p.Status.Phase == corev1.PodRunning:
			ending = append(ending, p)
		}
	}
	if len(serving) == 0 {
		serving = ending
	}
	if len(serving) == 0 {
		return nil
	}
	var hosts []string
	for _, address := range t.addresses(serving) {
		hosts = append(hosts, net.JoinHostPort(address, strconv.Itoa(d.Port)))
	}
	slices.Sort(hosts)
	var urls []string
	for _, h := range slices.Compact(hosts) {
		urls = append(urls, "stun:"+h, "turn:"+h+"?transport=udp", "turn:"+h+"?transport=tcp")
	}
	if d.TLS != nil {
		urls = append(urls, "turns:"+net.JoinHostPort(d.TLS.Host, strconv.Itoa(d.TLS.Port))+"?transport=tcp")
	}
	return urls
}

// addresses are how the world reaches these servers.
func (t *Server) addresses(servers []*corev1.Pod) []string {
	d := t.Config.Discovery
	switch {
	case d.Address != "":
		return []string{d.Address}
	case d.AddressPort != 0:
		return t.public.of(servers, d.AddressPort, t.Log)
	}
	var addresses []string
	for _, p := range servers {
		addresses = append(addresses, p.Status.HostIP)
	}
	return addresses
}
