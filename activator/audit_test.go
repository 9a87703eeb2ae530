package activator

import (
	"bytes"
	"encoding/json"
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
	bob := auth.Visitor{User: "bob@example.com", By: auth.BySignIn, Roles: []access.Role{access.Viewer}}
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
		said = append(said, e["event"].(string)+" "+e["user"].(string))
	}
	assert.Equal(t, []string{"attach ada@example.com", "attach bob@example.com", "detach bob@example.com", "detach ada@example.com"}, said)
	assert.Empty(t, s.attendance.open)
}
