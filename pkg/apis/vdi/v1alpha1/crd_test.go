package v1alpha1

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// property is what these tests read of a definition's schema.
type property struct {
	Description string              `json:"description"`
	Type        string              `json:"type"`
	ListType    string              `json:"x-kubernetes-list-type"`
	Properties  map[string]property `json:"properties"`
	Items       *property           `json:"items"`
	Values      *property           `json:"additionalProperties"`
}

// embedded are Kubernetes' own types in ours, by path: what is below is not ours to explain.
var embedded = map[string]bool{".metadata": true, ".spec.env": true, ".spec.imagePullSecrets": true, ".status.conditions": true}

// walk visits every property of ours.
func (p property) walk(path string, visit func(path string, p property)) {
	if path != "" {
		visit(path, p)
	}
	if embedded[path] {
		return
	}
	for name, child := range p.Properties {
		child.walk(path+"."+name, visit)
	}
	for _, inner := range []*property{p.Items, p.Values} {
		if inner != nil {
			property{Properties: inner.Properties}.walk(path, func(at string, p property) {
				if at != path {
					visit(at, p)
				}
			})
		}
	}
}

// fields visits every field of our definitions.
func fields(t *testing.T, visit func(path string, p property)) {
	t.Helper()
	files, err := filepath.Glob("../../../../config/crd/*.yaml")
	require.NoError(t, err)
	seen := 0
	for _, file := range files {
		var crd struct {
			Spec struct {
				Names    struct{ Kind string }
				Versions []struct {
					Schema struct {
						OpenAPIV3Schema property `json:"openAPIV3Schema"`
					}
				}
			}
		}
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, yaml.Unmarshal(raw, &crd))
		for _, v := range crd.Spec.Versions {
			v.Schema.OpenAPIV3Schema.walk("", func(path string, p property) {
				seen++
				visit(crd.Spec.Names.Kind+path, p)
			})
		}
	}
	require.Greater(t, seen, 100, "fields are not found")
}

func TestEveryFieldSaysWhatItIs(t *testing.T) {
	fields(t, func(path string, p property) {
		switch path {
		case "VDISession.metadata", "VDISignIn.metadata", "VDITemplate.metadata": // Kubernetes explains it
		default:
			assert.NotEmpty(t, p.Description, "%s: kubectl explain says nothing", path)
		}
	})
}

func TestEveryListSaysHowItIsMerged(t *testing.T) {
	fields(t, func(path string, p property) {
		if p.Type == "array" {
			assert.NotEmpty(t, p.ListType, "%s: give it a +listType", path)
		}
	})
}
