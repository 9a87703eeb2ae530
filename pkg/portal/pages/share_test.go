package pages

import (
	"net/http"
	"net/url"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/portal/text"
)

// A form that is taken makes a share that the API server takes, and nobody more than the owner.
func FuzzShareForm(f *testing.F) {
	p := newPortal(f, desk("desk", "ada"))
	for _, seed := range [][]string{
		{"link", "abcdefghij", "", "Viewer", "24h", "3"}, {"person", "abcdefghij", "bob@example.com", "Controller", "never", ""},
		{"person", "abcdefghij", "ada", "Viewer", "1h", ""}, {"person", "../../etc", "b\x00b", "Owner", "1000000h", "-1"}, {"", "", "", "", "", ""},
		{"link", "abcdefghij", "x", "Viewer", "1h", "9999999999999999999"},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3], seed[4], seed[5])
	}
	f.Fuzz(func(t *testing.T, kind, name, user, role, expiry, uses string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		assert.NoError(t, err)
		r.PostForm = url.Values{"kind": {kind}, "name": {name}, "user": {user}, "role": {role}, "expiry": {expiry}, "uses": {uses}}
		v := &visit{Tongue: text.Tongues[0], Pages: p.Pages, r: r}
		form := v.readShare()
		share := v.checkShare(&form, desk("desk", "ada"))
		if len(form.Bad) > 0 {
			return
		}
		assert.Len(t, share.Name, shareNameLength)
		assert.Contains(t, []v1alpha1.ShareRole{v1alpha1.ShareViewer, v1alpha1.ShareController}, share.Role)
		assert.NotEqual(t, share.Link != nil, share.User != "", "for a user or for whoever has the link")
		assert.NotEqual(t, "ada", share.User)
		assert.True(t, utf8.RuneCountInString(share.User) <= maxUser && utf8.ValidString(share.User))
		assert.True(t, share.Link == nil || share.Link.MaxUses >= 0 && share.Link.MaxUses <= maxUses)
	})
}
