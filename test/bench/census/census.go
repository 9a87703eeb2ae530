// Package census counts what an API server holds and how often it is written to, for
// benchmarks.
package census

import (
	"context"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
)

const (
	// asStored asks for the encoding in which the API server stores its own kinds;
	// kinds of a CustomResourceDefinition it stores, and answers with, as JSON
	// (k8s.io/apiextensions-apiserver, pkg/apiserver/customresource_handler.go).
	asStored = "application/vnd.kubernetes.protobuf,application/json"
	// weighed is how many objects of a kind are fetched for their bytes.
	weighed = 20
	// requestMetric is all requests that the API server has answered.
	requestMetric = "apiserver_request_total"
)

// writes are the verbs of requestMetric that change something, resources what.
var (
	writes       = regexp.MustCompile(`verb="(APPLY|DELETE|DELETECOLLECTION|PATCH|POST|PUT)"`)
	resources    = regexp.MustCompile(`\bresource="[^"]*"`)
	subresources = regexp.MustCompile(`subresource="[^"]*"`)
)

var housekeeping = []string{`resource="leases"`, `resource="endpoints"`, `resource="endpointslices"`}

// Tally is what a namespace holds of each kind.
type Tally map[schema.GroupResource]Holding

// Holding is how many objects there are, and their bytes as the API server stores them.
type Holding struct {
	Objects int
	Bytes   float64
}

// Sum is of all kinds.
func (t Tally) Sum() (h Holding) {
	for _, one := range t {
		h.Objects, h.Bytes = h.Objects+one.Objects, h.Bytes+one.Bytes
	}
	return h
}

// Census counts what the API server holds.
type Census struct {
	kinds []schema.GroupVersionResource
	list  metadata.Interface
	raw   rest.Interface
}

// passing kinds don't stay: events end after an hour.
var passing = []string{"events", "leases"}

// New finds the kinds that the API server knows now.
func New(rc *rest.Config) (*Census, error) {
	// Kinds that are to go are counted all the same.
	rc = rest.CopyConfig(rc)
	rc.WarningHandler = rest.NoWarnings{}
	find, err := discovery.NewDiscoveryClientForConfig(rc)
	if err != nil {
		return nil, err
	}
	c := &Census{raw: find.RESTClient()}
	if c.list, err = metadata.NewForConfig(rc); err != nil {
		return nil, err
	}
	lists, err := find.ServerPreferredResources()
	if err != nil {
		return nil, fmt.Errorf("asking the API server for its kinds: %w", err)
	}
	listable := discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list", "get"}}, lists)
	for _, list := range listable {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, err
		}
		for _, r := range list.APIResources {
			if r.Namespaced && !slices.Contains(passing, r.Name) {
				c.kinds = append(c.kinds, version.WithResource(r.Name))
			}
		}
	}
	return c, nil
}

// Namespace counts what a namespace holds, but for what every namespace holds.
func (c *Census) Namespace(ctx context.Context, namespace string) (Tally, error) {
	found := Tally{}
	for _, kind := range c.kinds {
		list, err := c.list.Resource(kind).Namespace(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w", kind.GroupResource(), err)
		}
		var names []string
		for i := range list.Items {
			if name := list.Items[i].Name; name != "kube-root-ca.crt" && name != "default" {
				names = append(names, name)
			}
		}
		if len(names) == 0 {
			continue
		}
		each, err := c.weigh(ctx, kind, namespace, names[:min(len(names), weighed)])
		if err != nil {
			return nil, err
		}
		found[kind.GroupResource()] = Holding{Objects: len(names), Bytes: each * float64(len(names))}
	}
	return found, nil
}

// weigh is the mean of the objects' bytes.
func (c *Census) weigh(ctx context.Context, kind schema.GroupVersionResource, namespace string, names []string) (float64, error) {
	root := path.Join("/apis", kind.Group, kind.Version)
	if kind.Group == "" {
		root = path.Join("/api", kind.Version)
	}
	total := 0
	for _, name := range names {
		raw, err := c.raw.Get().AbsPath(root, "namespaces", namespace, kind.Resource, name).SetHeader("Accept", asStored).DoRaw(ctx)
		if err != nil {
			return 0, fmt.Errorf("reading %s %s: %w", kind.GroupResource(), name, err)
		}
		total += len(raw)
	}
	return float64(total) / float64(len(names)), nil
}

// Writes is how many requests that write the API server has had, by verb and resource, but
// for what there is without sessions: each program that may run twice renews a lease, and the
// API server writes its own address.
func (c *Census) Writes(ctx context.Context) (map[string]float64, error) {
	sums := map[string]float64{}
	return sums, c.metric(ctx, requestMetric, func(labels string, value float64) {
		verb, resource := writes.FindString(labels), resources.FindString(labels)
		if verb != "" && !slices.Contains(housekeeping, resource) {
			sums[verb+" "+resource+" "+subresources.FindString(labels)] += value
		}
	})
}

// metric calls each with the labels and the value of every line of a metric.
func (c *Census) metric(ctx context.Context, name string, each func(labels string, value float64)) error {
	raw, err := c.raw.Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return fmt.Errorf("the API server's metrics: %w", err)
	}
	for line := range strings.Lines(string(raw)) {
		line, is := strings.CutPrefix(strings.TrimSpace(line), name+"{")
		at := strings.LastIndex(line, "} ")
		if !is || at < 0 {
			continue
		}
		value, err := strconv.ParseFloat(line[at+2:], 64)
		if err != nil {
			return fmt.Errorf("metric %s: %w", name, err)
		}
		each(line[:at], value)
	}
	return nil
}

// ByBytes are a tally's kinds, the heaviest first.
func (t Tally) ByBytes() []schema.GroupResource {
	return slices.SortedFunc(maps.Keys(t), func(a, b schema.GroupResource) int {
		if t[a].Bytes != t[b].Bytes {
			return int(t[b].Bytes - t[a].Bytes)
		}
		return strings.Compare(a.String(), b.String())
	})
}
