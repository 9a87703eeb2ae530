package coturn

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// apiTimeout bounds the request for the Node.
const apiTimeout = 10 * time.Second

// nodeReader reads one Node.
type nodeReader func(ctx context.Context, name string) (node, error)

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
		n, err := nodes(ctx, nodeName)
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
			return netip.Addr{}, fmt.Errorf("node %s: annotation %s is %q and must be its public IP address: kubectl annotate node %s %s=ADDRESS --overwrite",
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

// readNode asks the API server with the pod's own service account.
func readNode(ctx context.Context, name string) (n node, err error) {
	if name == "" {
		return n, errors.New("the node's name is not known: NODE_NAME is empty")
	}
	rc, err := rest.InClusterConfig()
	if err != nil {
		return n, fmt.Errorf("find the API server: %w", err)
	}
	rc.Timeout = apiTimeout
	client, err := dynamic.NewForConfig(rc)
	if err != nil {
		return n, fmt.Errorf("prepare the API client: %w", err)
	}
	object, err := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "nodes"}).Get(ctx, name, metav1.GetOptions{})
	if err == nil {
		err = runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &n)
	}
	if err != nil {
		return n, fmt.Errorf("read node %s: %w", name, err)
	}
	return n, nil
}
