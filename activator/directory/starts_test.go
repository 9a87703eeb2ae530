package directory

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

func TestTheMedianStartIsTheMedianOfATemplatesOwn(t *testing.T) {
	d := New(func(namespace, name string) string { return name + "." + namespace }, nil)
	assert.EqualValues(t, 0, d.MedianStart("kde"), "with no start known it")
	add := func(template string, took time.Duration) {
		s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: "desktops", Name: fmt.Sprint(template, took)}}
		s.Spec.Template = template
		if took != 0 {
			s.Status.LastStartDuration = &metav1.Duration{Duration: took}
		}
		d.SetSession(s)
	}
	for _, seconds := range []time.Duration{0, 7, 9, 8, 300, 6} {
		add("kde", seconds*time.Second)
	}
	add("other", time.Second)
	assert.Equal(t, 8*time.Second, d.MedianStart("kde"), "want 8s: one slow start must not count for more")
}
