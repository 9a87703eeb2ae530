package files

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func do(h http.Handler, method, url, body string) (int, string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, url, strings.NewReader(body)))
	return w.Code, w.Body.String()
}

func TestWrittenFilesAreListedAndReadBack(t *testing.T) {
	h := &Handler{Dir: t.TempDir()}
	if code, body := do(h, http.MethodPost, "/demo/files?name=notes.txt", "remember"); code != http.StatusCreated {
		t.Fatalf("write: %d %s", code, body)
	}
	if code, body := do(h, http.MethodGet, "/demo/files?name=notes.txt", ""); code != http.StatusOK || body != "remember" {
		t.Fatalf("read: %d %q", code, body)
	}
	if code, body := do(h, http.MethodGet, "/demo/files", ""); code != http.StatusOK || !strings.Contains(body, `"name":"notes.txt","bytes":8`) {
		t.Fatalf("list: %d %s", code, body)
	}
}

func TestNothingOutsideTheHomeIsReached(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(dir, "outside")
	home := filepath.Join(dir, "home")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(home, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(home, "link")); err != nil {
		t.Fatal(err)
	}
	h := &Handler{Dir: home}
	for _, name := range []string{"..", "../outside", "%2e%2e%2foutside", "/etc/passwd", ".profile", "", "a%00b", strings.Repeat("a", 65)} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			if code, _ := do(h, method, "/demo/files?name="+name, "x"); code != http.StatusBadRequest {
				t.Errorf("%s name %q: status %d, want 400", method, name, code)
			}
		}
	}
	if code, body := do(h, http.MethodGet, "/demo/files?name=link", ""); code == http.StatusOK {
		t.Errorf("a link led outside: %q", body)
	}
	if code, _ := do(h, http.MethodPost, "/demo/files?name=link", "x"); code != http.StatusConflict {
		t.Errorf("writing through a link: status %d, want 409", code)
	}
}

func TestSizesAreBounded(t *testing.T) {
	h := &Handler{Dir: t.TempDir()}
	if code, _ := do(h, http.MethodPost, "/demo/files?name=big", strings.Repeat("x", largestFile+1)); code != http.StatusRequestEntityTooLarge {
		t.Fatalf("status %d, want 413", code)
	}
	if code, _ := do(h, http.MethodDelete, "/demo/files?name=big", ""); code != http.StatusMethodNotAllowed {
		t.Fatalf("DELETE: status %d, want 405", code)
	}
}
