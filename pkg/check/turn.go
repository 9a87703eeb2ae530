package check

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/pion/stun"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/pods"
	"github.com/org/vdi-operator/pkg/stunclient"
)

// overUDP asks for an allocation for UDP (RFC 5766, 14.7).
var overUDP = stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}}

const (
	coturnRemedy = "see coturn's log, and whether its ports are let in at this address"
	insideRemedy = "this pod asks from inside the cluster, where an outside address may not be reachable: try from a browser's network"
)

// turn asks every server that is announced to browsers: by each way that is announced, it
// answers a STUN binding, and refuses an allocation to who shows no credential.
func (c *Checker) turn(ctx context.Context) []finding {
	const what = "TURN"
	if len(c.Config.TURN.URLs) > 0 {
		var found []finding
		for _, u := range c.Config.TURN.URLs {
			uri, err := stun.ParseURI(u)
			if err != nil {
				found = append(found, bad(what, fmt.Sprintf("turn.urls: %q: %s", u, err),
					"correct it, such as turn:turn.example.com:3478?transport=udp"))
				continue
			}
			// Somebody else's server, or an address outside.
			found = append(found, warned(c.asked(ctx, uri, insideRemedy)))
		}
		return found
	}
	if c.Config.TURN.Discovery == nil {
		return []finding{good(what, "no server is announced: media needs a direct path")}
	}
	hosts, err := c.discovered(ctx)
	if err != nil {
		return []finding{bad(what, err, coturnRemedy)}
	}
	if len(hosts) == 0 {
		return []finding{bad(what, fmt.Sprintf("no pod of coturn is ready in namespace %s", c.Config.TURN.Discovery.Namespace),
			"kubectl -n "+c.Config.TURN.Discovery.Namespace+" get pods; another program may have the node's port")}
	}
	d := c.Config.TURN.Discovery
	judge, remedy := func(f finding) finding { return f }, coturnRemedy
	if d.Address != "" {
		hosts, judge, remedy = []string{d.Address}, warned, insideRemedy
	}
	var found []finding
	for _, host := range hosts {
		for _, proto := range []stun.ProtoType{stun.ProtoTypeUDP, stun.ProtoTypeTCP} {
			uri := &stun.URI{Scheme: stun.SchemeTypeTURN, Host: host, Port: d.Port, Proto: proto}
			found = append(found, judge(c.asked(ctx, uri, remedy)))
		}
	}
	if d.TLS != nil {
		uri := &stun.URI{Scheme: stun.SchemeTypeTURNS, Host: d.TLS.Host, Port: d.TLS.Port, Proto: stun.ProtoTypeTCP}
		found = append(found, warned(c.asked(ctx, uri, insideRemedy)))
	}
	return found
}

// discovered are the addresses of the nodes of coturn's ready pods, where it listens whatever is
// announced.
func (c *Checker) discovered(ctx context.Context) ([]string, error) {
	d := c.Config.TURN.Discovery
	list := &corev1.PodList{}
	if err := c.Client.List(ctx, list, client.InNamespace(d.Namespace), client.MatchingLabels(d.Selector)); err != nil {
		return nil, fmt.Errorf("list coturn's pods: %w", err)
	}
	var hosts []string
	for i := range list.Items {
		if p := &list.Items[i]; p.Status.HostIP != "" && p.DeletionTimestamp.IsZero() && pods.Ready(p) {
			hosts = append(hosts, p.Status.HostIP)
		}
	}
	return hosts, nil
}

// asked asks one server.
func (c *Checker) asked(ctx context.Context, uri *stun.URI, remedy string) finding {
	what := "TURN at " + uri.String()
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	conn, err := dial(ctx, c.Resolver, uri)
	if err != nil {
		return bad(what, err, remedy)
	}
	defer func() { _ = conn.Close() }()
	binding, err := stunclient.Ask(ctx, conn, stun.MethodBinding)
	if err != nil {
		return bad(what, "no answer to a STUN binding: "+err.Error(), remedy)
	}
	if binding.Type.Class != stun.ClassSuccessResponse {
		return bad(what, fmt.Sprintf("a STUN binding is answered %s", binding.Type), remedy)
	}
	if uri.Scheme == stun.SchemeTypeSTUN || uri.Scheme == stun.SchemeTypeSTUNS {
		return good(what, "answers a STUN binding")
	}
	allocation, err := stunclient.Ask(ctx, conn, stun.MethodAllocate, overUDP)
	if err != nil {
		return bad(what, "no answer to an allocation: "+err.Error(), remedy)
	}
	if allocation.Type.Class == stun.ClassSuccessResponse {
		return bad(what, "anybody can allocate a relay without a credential",
			"let the server take time-limited credentials only (coturn: use-auth-secret)")
	}
	var code stun.ErrorCodeAttribute
	if err := code.GetFrom(allocation); err != nil || code.Code != stun.CodeUnauthorized {
		return bad(what, fmt.Sprintf("an allocation without a credential is answered %d %s, want 401", code.Code, code.Reason), remedy)
	}
	return good(what, "answers a STUN binding, and 401 to an allocation without a credential")
}

func dial(ctx context.Context, resolver *net.Resolver, uri *stun.URI) (net.Conn, error) {
	dialer := &net.Dialer{Resolver: resolver}
	address := net.JoinHostPort(uri.Host, strconv.Itoa(uri.Port))
	switch {
	case uri.Scheme == stun.SchemeTypeTURNS, uri.Scheme == stun.SchemeTypeSTUNS:
		if uri.Proto == stun.ProtoTypeUDP {
			return nil, errors.New("TURN over DTLS is not asked from here")
		}
		config := &tls.Config{ServerName: uri.Host, MinVersion: tls.VersionTLS12}
		return (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, "tcp", address)
	case uri.Proto == stun.ProtoTypeTCP:
		return dialer.DialContext(ctx, "tcp", address)
	default:
		return dialer.DialContext(ctx, "udp", address)
	}
}
