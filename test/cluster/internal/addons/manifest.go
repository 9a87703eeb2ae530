// Package addons turns published manifests and our own into what this cluster needs:
// images that are on the node, requests that fit a small machine.
package addons

import (
	"bytes"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"
)

// object is a Kubernetes object of any kind.
type object map[string]any

func (o object) kind() string { return text(o["kind"]) }

// parse splits a YAML stream into objects.
func parse(stream []byte) ([]object, error) {
	var objects []object
	for _, document := range bytes.Split(append([]byte("\n"), stream...), []byte("\n---")) {
		var o object
		if err := yaml.Unmarshal(document, &o); err != nil {
			return nil, fmt.Errorf("manifest: %w", err)
		}
		if len(o) > 0 {
			objects = append(objects, o)
		}
	}
	return objects, nil
}

// render is parse's inverse.
func render(objects []object) ([]byte, error) {
	var out bytes.Buffer
	for _, o := range objects {
		raw, err := yaml.Marshal(o)
		if err != nil {
			return nil, err
		}
		out.WriteString("---\n")
		out.Write(raw)
	}
	return out.Bytes(), nil
}

// child returns a nested map, creating it where there is none.
func child(o map[string]any, path ...string) map[string]any {
	for _, name := range path {
		next, ok := o[name].(map[string]any)
		if !ok {
			next = map[string]any{}
			o[name] = next
		}
		o = next
	}
	return o
}

func text(value any) string {
	s, _ := value.(string)
	return s
}

// containers returns a workload's containers.
func (o object) containers() []map[string]any {
	list, _ := child(o, "spec", "template", "spec")["containers"].([]any)
	var found []map[string]any
	for _, item := range list {
		if c, ok := item.(map[string]any); ok {
			found = append(found, c)
		}
	}
	return found
}

// isWorkload reports whether the object has a pod template.
func (o object) isWorkload() bool {
	switch o.kind() {
	case "Deployment", "DaemonSet", "StatefulSet":
		return true
	}
	return false
}

// replaceAll replaces text in every string of a value.
func replaceAll(value any, replacer *strings.Replacer) any {
	switch v := value.(type) {
	case string:
		return replacer.Replace(v)
	case object:
		for key, item := range v {
			v[key] = replaceAll(item, replacer)
		}
	case map[string]any:
		for key, item := range v {
			v[key] = replaceAll(item, replacer)
		}
	case []any:
		for i, item := range v {
			v[i] = replaceAll(item, replacer)
		}
	}
	return value
}
