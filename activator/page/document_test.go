package page

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAPagesNameIsOneThatOurScriptMakes(t *testing.T) {
	good := strings.Repeat("0a", 16)
	for query, want := range map[string]string{
		"page=" + good: good, "at=/x&page=" + good: good, "": "", "page=": "", "page=" + good + "0": "", "page=" + good[1:]: "",
		"page=" + strings.ToUpper(good): "", "page=" + good[2:] + "%00%00": "", "page=" + strings.Repeat("x", 1<<12): "",
	} {
		assert.Equal(t, want, NameOf(httptest.NewRequest(http.MethodGet, "/_vdi/events?"+query, nil)), "%.60s", query)
	}
}
