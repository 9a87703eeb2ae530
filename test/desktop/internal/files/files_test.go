package files

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func do(h http.Handler, method, url, body string) (int, string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, url, strings.NewReader(body)))
	return w.Code, w.Body.String()
}

func TestWrittenFilesAreListedAndReadBack(t *testing.T) {
	h := &Handler{Dir: t.TempDir()}
	code, body := do(h, http.MethodPost, "/demo/files?name=notes.txt", "remember")
	require.Equal(t, http.StatusCreated, code, "write: %s", body)
	code, body = do(h, http.MethodGet, "/demo/files?name=notes.txt", "")
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, "remember", body, "read")
	code, body = do(h, http.MethodGet, "/demo/files", "")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, body, `"name":"notes.txt","bytes":8`, "list")
}

func TestNothingOutsideTheHomeIsReached(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(dir, "outside")
	home := filepath.Join(dir, "home")
	require.NoError(t, os.WriteFile(outside, []byte("secret"), 0o600))
	require.NoError(t, os.Mkdir(home, 0o755))
	require.NoError(t, os.Symlink(outside, filepath.Join(home, "link")))
	h := &Handler{Dir: home}
	for _, name := range []string{"..", "../outside", "%2e%2e%2foutside", "/etc/passwd", ".profile", "", "a%00b", strings.Repeat("a", 65)} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			code, _ := do(h, method, "/demo/files?name="+name, "x")
			assert.Equal(t, http.StatusBadRequest, code, "%s name %q: status, want 400", method, name)
		}
	}
	code, body := do(h, http.MethodGet, "/demo/files?name=link", "")
	assert.NotEqual(t, http.StatusOK, code, "a link led outside: %q", body)
	code, _ = do(h, http.MethodPost, "/demo/files?name=link", "x")
	assert.Equal(t, http.StatusConflict, code, "writing through a link: status, want 409")
}

func TestSizesAreBounded(t *testing.T) {
	h := &Handler{Dir: t.TempDir()}
	code, _ := do(h, http.MethodPost, "/demo/files?name=big", strings.Repeat("x", largestFile+1))
	require.Equal(t, http.StatusRequestEntityTooLarge, code, "status, want 413")
	code, _ = do(h, http.MethodDelete, "/demo/files?name=big", "")
	require.Equal(t, http.StatusMethodNotAllowed, code, "DELETE: status, want 405")
}
