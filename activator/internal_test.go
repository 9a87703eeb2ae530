package activator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/activator/auth"
	"github.com/org/vdi-operator/pkg/access"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/audit"
)

func TestTheAuditHearsOfSomebodysFirstConnectionAndOfTheirLast(t *testing.T) {
	var lines bytes.Buffer
	s := &Server{Options: Options{Audit: audit.New(&lines, true)}}
	desk := &v1alpha1.VDISession{}
	desk.Name, desk.UID, desk.Spec.User = "ada", "1", "ada@example.com"
	ada := auth.Visitor{User: "ada@example.com", By: auth.BySignIn, Roles: []access.Role{access.Owner}}
	bob := auth.Visitor{User: "bob@example.com", By: auth.BySignIn, Roles: []access.Role{access.Viewer, access.Controller}}
	first := s.attends(desk, ada, "192.0.2.1")
	second := s.attends(desk, ada, "192.0.2.1")
	bobs := s.attends(desk, bob, "")
	first()
	bobs()
	second()
	var said []string
	for line := range bytes.Lines(lines.Bytes()) {
		var e map[string]any
		require.NoError(t, json.Unmarshal(line, &e))
		assert.Equal(t, "ada@example.com", e["owner"])
		assert.Equal(t, "sign_in", e["via"])
		said = append(said, fmt.Sprint(e["event"], " ", e["user"], " ", e["role"]))
	}
	assert.Equal(t, []string{"attach ada@example.com Owner", "attach bob@example.com Controller", "detach bob@example.com Controller",
		"detach ada@example.com Owner"}, said)
	assert.Empty(t, s.attendance.open)
}

func TestAHandOverLeadsToNoOtherHost(t *testing.T) {
	for raw, want := range map[string]string{
		"": "/", "/a?b=c": "/a?b=c", "//evil.example/": "/", "/\\evil.example": "/%5Cevil.example", "https://evil.example/": "/", "evil": "/",
		"/a\r\nSet-Cookie: x": "/", "/" + strings.Repeat("a", longestWay): "/", "javascript:alert(1)": "/", "/%2f%2fevil.example": "/%2f%2fevil.example",
	} {
		to := wayTo(raw)
		assert.Empty(t, to.Host)
		if raw != "//evil.example/" {
			assert.Equal(t, want, to.RequestURI(), "%q", raw)
		}
	}
}

func FuzzWayTo(f *testing.F) {
	f.Add("/a?b#c")
	f.Add("//evil.example")
	f.Fuzz(func(t *testing.T, raw string) {
		if to := wayTo(raw); to.Host != "" || to.Scheme != "" || !strings.HasPrefix(to.Path, "/") {
			t.Errorf("%q leads to %v", raw, to)
		}
	})
}
