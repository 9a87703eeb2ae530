package helm

import (
	"fmt"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

var separator = regexp.MustCompile(`(?m)^---([ \t].*)?$`)

// Documents are the YAML documents of a text that are not empty.
func Documents(text string) []string {
	var all []string
	for _, d := range separator.Split(text, -1) {
		if strings.TrimSpace(d) != "" {
			all = append(all, strings.TrimPrefix(d, "\n"))
		}
	}
	return all
}

// Objects are the objects of a text.
func Objects(text string) ([]*unstructured.Unstructured, error) {
	var all []*unstructured.Unstructured
	for _, d := range Documents(text) {
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(d), &o.Object); err != nil {
			return nil, fmt.Errorf("%w in\n%s", err, d)
		}
		if len(o.Object) > 0 {
			all = append(all, o)
		}
	}
	return all, nil
}
