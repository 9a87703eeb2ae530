package backup

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	yamlstream "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// Read reads a stream of YAML documents, such as Write writes or kubectl get -o yaml
// prints. An error names the document and what it should be.
func Read(r io.Reader) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	documents := yamlstream.NewYAMLReader(bufio.NewReader(r))
	for n := 1; ; n++ {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", n, err)
		}
		o := &unstructured.Unstructured{}
		if err := yaml.UnmarshalStrict(document, &o.Object); err != nil {
			return nil, fmt.Errorf("document %d is no YAML of an object: %w", n, err)
		}
		if len(o.Object) == 0 {
			continue // Comments only.
		}
		take := func(o runtime.Object) error {
			one := o.(*unstructured.Unstructured)
			if err := belongs(one); err != nil {
				return err
			}
			objects = append(objects, clean(one))
			return nil
		}
		if o.IsList() {
			err = o.EachListItem(take)
		} else {
			err = take(o)
		}
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", n, err)
		}
	}
	if len(objects) == 0 {
		return nil, errors.New("the file holds no objects")
	}
	return objects, nil
}

// belongs returns why an object is none that a backup can hold.
func belongs(o *unstructured.Unstructured) error {
	switch {
	case o.GetKind() == "" || o.GetAPIVersion() == "":
		return errors.New("has no kind or no apiVersion")
	case rank(o) < 0:
		return fmt.Errorf("%s (%s): a backup holds VDITemplates, VDISessions, PersistentVolumeClaims and Secrets only; take this out of the "+
			"file and use kubectl apply for it", name(o), o.GetAPIVersion())
	case o.GetName() == "":
		return fmt.Errorf("%s has no metadata.name", o.GetKind())
	case is(o, templateKind):
		o.SetNamespace("")
	case o.GetNamespace() == "":
		return fmt.Errorf("%s has no metadata.namespace", name(o))
	}
	return nil
}

// equalDocument is whether two objects say the same.
func equalDocument(a, b *unstructured.Unstructured) bool {
	left, errLeft := yaml.Marshal(a.Object)
	right, errRight := yaml.Marshal(b.Object)
	return errLeft == nil && errRight == nil && bytes.Equal(left, right)
}
