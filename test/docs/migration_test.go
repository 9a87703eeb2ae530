package docs

import (
	"strings"
	"testing"

	"github.com/org/vdi-operator/pkg/workload"
)

// The page lets a shell make these names; it must come to what the operator looks for.
func TestTheMigrationNamesAHomeAsTheOperatorDoes(t *testing.T) {
	page := pages(t)["docs/migration.md"]
	if page == nil {
		t.Fatal("there is no docs/migration.md")
	}
	const user, template = "alice@example.com", "ubuntu-desktop"
	for _, name := range []string{workload.HomeName(user, template), workload.UserHash(user)} {
		if !strings.Contains(string(page.source), name) {
			t.Errorf("the example of user %s and template %s does not name %s", user, template, name)
		}
	}
}
