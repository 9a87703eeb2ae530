package look

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
)

func TestAPagesOwnAssetsComeBesideThoseOfAll(t *testing.T) {
	assets := Assets("/assets/", fstest.MapFS{"own.css": {Data: []byte("own")}, "icon.svg": {Data: []byte("<svg/>")}})
	for path, want := range map[string]int{"own.css": 200, "base.css": 200, "icon.svg": 200, "": 404, "none.css": 404, "\xff": 404} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/assets/", nil)
		r.URL.Path += path
		assets.ServeHTTP(w, r)
		assert.Equal(t, want, w.Code, "%q", path)
		if path == "icon.svg" {
			assert.Equal(t, "<svg/>", w.Body.String(), "its own wins")
		}
	}
}
