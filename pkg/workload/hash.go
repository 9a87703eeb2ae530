package workload

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

const (
	// userHashLength keeps 128 bits of a user's hash, well within a label's 63
	// characters.
	userHashLength = 32
	// shapeHashLength keeps 64 bits: it only has to differ from the shape before.
	shapeHashLength = 16
)

// UserHash stands for a user in a label: an e-mail address is not a legal value.
func UserHash(user string) string { return hash([]byte(user), userHashLength) }

// stamp annotates an object that a shape is rendered as with the shape's hash.
func stamp(rendered client.Object, shape Shape) error {
	raw, err := json.Marshal(rendered)
	if err != nil {
		return fmt.Errorf("hash of the desktop's shape: %w", err)
	}
	// How a desktop is spoken to, and most of what may pass, is nothing that its pod shows.
	if shape.Streaming != nil {
		if raw, err = appended(raw, shape.Streaming); err != nil {
			return err
		}
	}
	if shape.Access != nil {
		if raw, err = appended(raw, shape.Access); err != nil {
			return err
		}
	}
	hash := map[string]string{v1alpha1.AnnotationShapeHash: hash(raw, shapeHashLength)}
	rendered.SetAnnotations(labels.Merge(rendered.GetAnnotations(), hash))
	return nil
}

func appended(raw []byte, part any) ([]byte, error) {
	more, err := json.Marshal(part)
	if err != nil {
		return nil, fmt.Errorf("hash of the desktop's shape: %w", err)
	}
	return append(raw, more...), nil
}

// sameShape says that both have been rendered of the same shape.
func sameShape(a, b client.Object) bool {
	return a.GetAnnotations()[v1alpha1.AnnotationShapeHash] == b.GetAnnotations()[v1alpha1.AnnotationShapeHash]
}

func hash(data []byte, length int) string {
	return fmt.Sprintf("%x", sha256.Sum256(data))[:length]
}
