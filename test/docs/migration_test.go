package docs

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/workload"
)

// The page lets a shell make these names; it must come to what the operator looks for.
func TestTheMigrationNamesAHomeAsTheOperatorDoes(t *testing.T) {
	page := pages(t)["docs/migration.md"]
	require.NotNil(t, page, "there is no docs/migration.md")
	const user, template = "alice@example.com", "ubuntu-desktop"
	for _, name := range []string{workload.HomeName(user, template), workload.UserHash(user)} {
		assert.Contains(t, string(page.source), name, "the example of user %s and template %s does not name", user, template)
	}
}
