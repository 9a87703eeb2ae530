package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/org/vdi-operator/test/harness"
)

const (
	// asStored asks for the encoding in which the API server stores its own kinds;
	// kinds of a CustomResourceDefinition it stores, and answers with, as JSON
	// (k8s.io/apiextensions-apiserver, pkg/apiserver/customresource_handler.go).
	asStored = "application/vnd.kubernetes.protobuf,application/json"
	// weighed is how many objects of a kind are fetched for their bytes.
	weighed = 20
	// storageMetric is etcd's database file as the API server sees it.
	storageMetric = "apiserver_storage_size_bytes"
)

// tally is how many objects of each kind a namespace holds, and their bytes.
type tally map[schema.GroupResource]holding

type holding struct {
	objects int
	bytes   float64
}

func (t tally) sum() (h holding) {
	for _, one := range t {
		h.objects, h.bytes = h.objects+one.objects, h.bytes+one.bytes
	}
	return h
}

// census counts what the API server holds.
type census struct {
	kinds []schema.GroupVersionResource
	list  metadata.Interface
	raw   rest.Interface
}

// passing kinds don't stay: events end after an hour.
var passing = []string{"events", "leases"}

func newCensus(in *harness.Installation) (*census, error) {
	c := &census{raw: in.Kube.Discovery().RESTClient()}
	var err error
	if c.list, err = metadata.NewForConfig(in.Config); err != nil {
		return nil, err
	}
	lists, err := in.Kube.Discovery().ServerPreferredResources()
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

// namespace counts what a namespace holds, but for what every namespace holds.
func (c *census) namespace(ctx context.Context, namespace string) (tally, error) {
	found := tally{}
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
		found[kind.GroupResource()] = holding{objects: len(names), bytes: each * float64(len(names))}
	}
	return found, nil
}

// weigh is the mean of the objects' bytes.
func (c *census) weigh(ctx context.Context, kind schema.GroupVersionResource, namespace string, names []string) (float64, error) {
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

// stored is the size of the API server's database, with its history and its gaps.
func (c *census) stored(ctx context.Context) (int64, error) {
	raw, err := c.raw.Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return 0, fmt.Errorf("the API server's metrics: %w", err)
	}
	lines := bufio.NewScanner(bytes.NewReader(raw))
	lines.Buffer(nil, len(raw)+1)
	for lines.Scan() {
		if _, value, ok := strings.Cut(lines.Text(), " "); ok && strings.HasPrefix(lines.Text(), storageMetric+"{") {
			bytes, err := strconv.ParseFloat(value, 64)
			return int64(bytes), err
		}
	}
	return 0, errors.Join(lines.Err(), fmt.Errorf("the API server has no metric %s", storageMetric))
}

// byBytes are a tally's kinds, the heaviest first.
func (t tally) byBytes() []schema.GroupResource {
	return slices.SortedFunc(maps.Keys(t), func(a, b schema.GroupResource) int {
		if t[a].bytes != t[b].bytes {
			return int(t[b].bytes - t[a].bytes)
		}
		return strings.Compare(a.String(), b.String())
	})
}
