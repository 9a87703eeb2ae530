package coturn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"k8s.io/client-go/rest"
)

const (
	// apiTimeout bounds the request for the Node, largestNode its answer in bytes.
	apiTimeout  = 10 * time.Second
	largestNode = 4 << 20
)

// nodeReader reads one Node.
type nodeReader interface {
	node(ctx context.Context, name string) (node, error)
}

// node is what is read of a Node.
type node struct {
	Metadata struct {
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Status struct {
		Addresses []struct {
			Type    string `json:"type"`
			Address string `json:"address"`
		} `json:"addresses"`
	} `json:"status"`
}

// find finds the server's public address; the zero Addr says that there is none
// besides local.
func (e External) find(ctx context.Context, local netip.Addr, nodeName string, nodes nodeReader) (netip.Addr, error) {
	switch e.Mode {
	case ExternalFixed:
		return netip.ParseAddr(e.Address)
	case ExternalSTUN:
		return askSTUN(ctx, local, e.STUNServer)
	case ExternalNodeAddress, ExternalNodeAnnotation:
		n, err := nodes.node(ctx, nodeName)
		if err != nil {
			return netip.Addr{}, err
		}
		return e.ofNode(n, nodeName, local)
	}
	return netip.Addr{}, nil
}

func (e External) ofNode(n node, name string, local netip.Addr) (netip.Addr, error) {
	if e.Mode == ExternalNodeAnnotation {
		text := n.Metadata.Annotations[e.Annotation]
		a, err := netip.ParseAddr(text)
		if err != nil {
			return netip.Addr{}, fmt.Errorf("node %s: annotation %s is %q and must be its public IP address: kubectl annotate node %s %s=ADDRESS",
				name, e.Annotation, text, name, e.Annotation)
		}
		return a, nil
	}
	for _, address := range n.Status.Addresses {
		// turnserver translates within one family.
		if a, err := netip.ParseAddr(address.Address); err == nil && address.Type == "ExternalIP" && a.Is4() == local.Is4() {
			return a, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("node %s has no ExternalIP in its status: use another coturn.externalAddress.mode, "+
		"or a cloud provider that sets it", name)
}

// apiNodes asks the API server with the pod's own service account.
type apiNodes struct{}

func (apiNodes) node(ctx context.Context, name string) (node, error) {
	if name == "" {
		return node{}, errors.New("the node's name is not known: NODE_NAME is empty")
	}
	rc, err := rest.InClusterConfig()
	if err != nil {
		return node{}, fmt.Errorf("find the API server: %w", err)
	}
	client, err := rest.HTTPClientFor(rc)
	if err != nil {
		return node{}, fmt.Errorf("prepare the API client: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(rc.Host, "/")+"/api/v1/nodes/"+url.PathEscape(name), nil)
	if err != nil {
		return node{}, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return node{}, fmt.Errorf("read node %s: %w", name, err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, largestNode))
	if err != nil {
		return node{}, fmt.Errorf("read node %s: %w", name, err)
	}
	if resp.StatusCode != http.StatusOK {
		return node{}, fmt.Errorf("read node %s: the API server answered %s: %.200q", name, resp.Status, raw)
	}
	var n node
	if err := json.Unmarshal(raw, &n); err != nil {
		return node{}, fmt.Errorf("read node %s: %w", name, err)
	}
	return n, nil
}
