package chart

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/jsonpath"
)

// fieldCase is a set of values, those after =@json: as in a values file, and what fields have to
// be. A key is "Kind/name path", the
// path as kubectl's JSONPath. An object or field that is not there is "".
type fieldCase struct {
	set    []string
	fields map[string]string
}

func checkFields(t *testing.T, cases map[string]fieldCase) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var flags []string
			for _, s := range c.set {
				how := "--set"
				if key, json, is := strings.Cut(s, "=@json:"); is {
					how, s = "--set-json", key+"="+json
				}
				flags = append(flags, how, s)
			}
			all := objects(t)(template(t, flags...))
			for key, want := range c.fields {
				object, path, _ := strings.Cut(key, " ")
				assert.Equal(t, want, field(t, all, object, path), key)
			}
		})
	}
}

func field(t *testing.T, all []*unstructured.Unstructured, object, path string) string {
	t.Helper()
	for _, o := range all {
		if o.GetKind()+"/"+o.GetName() != object {
			continue
		}
		p := jsonpath.New(object).AllowMissingKeys(true)
		var text bytes.Buffer
		require.NoError(t, p.Parse("{"+path+"}"))
		require.NoError(t, p.Execute(&text, o.Object))
		return text.String()
	}
	return ""
}
