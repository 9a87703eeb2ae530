// Package files lets tests put files into the home folder and read them back, to show
// that a home outlives its desktop. It promises never to leave that one folder. It does
// not know what is in the files.
package files

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"regexp"
	"sync"
	"time"
)

const (
	largestFile = 64 << 10
	mostFiles   = 100
)

// goodName starts with a letter or digit, so it cannot be ".." or a hidden file.
var goodName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// Handler serves one folder.
type Handler struct {
	Dir string

	writing sync.Mutex // makes counting and writing one step
}

// File is one entry of the list.
type File struct {
	Name     string    `json:"name"`
	Bytes    int64     `json:"bytes"`
	Modified time.Time `json:"modified"`
}

// ServeHTTP lists (GET), reads (GET ?name=) and writes (POST or PUT ?name=).
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	// Root keeps links in the home from leading out of it.
	root, err := os.OpenRoot(h.Dir)
	if err != nil {
		http.Error(w, "the home folder cannot be opened: "+err.Error(), http.StatusInternalServerError)
		return
	}
	defer func() { _ = root.Close() }()
	name, named := r.URL.Query().Get("name"), r.URL.Query().Has("name")
	if named && !goodName.MatchString(name) {
		http.Error(w, fmt.Sprintf("name %q: want up to 64 letters, digits, dots, dashes and underscores, first a letter or digit", name), http.StatusBadRequest)
		return
	}
	switch {
	case r.Method == http.MethodGet && !named:
		h.list(w, root)
	case r.Method == http.MethodGet:
		read(w, root, name)
	case (r.Method == http.MethodPost || r.Method == http.MethodPut) && named:
		h.write(w, r, root, name)
	default:
		w.Header().Set("Allow", "GET, POST, PUT")
		http.Error(w, "use GET for the list, GET ?name= to read and POST ?name= to write", http.StatusMethodNotAllowed)
	}
}

func entries(root *os.Root) ([]File, error) {
	dir, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	found, err := dir.ReadDir(10 * mostFiles)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	list := []File{}
	for _, entry := range found {
		info, err := entry.Info()
		if err != nil || !info.Mode().IsRegular() || !goodName.MatchString(entry.Name()) {
			continue
		}
		list = append(list, File{Name: entry.Name(), Bytes: info.Size(), Modified: info.ModTime().UTC()})
	}
	return list, nil
}

func (h *Handler) list(w http.ResponseWriter, root *os.Root) {
	list, err := entries(root)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"home": h.Dir, "files": list})
}

func read(w http.ResponseWriter, root *os.Root, name string) {
	info, err := root.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist // a pipe would wait for ever
	}
	if err == nil {
		var f *os.File
		if f, err = root.Open(name); err == nil {
			defer func() { _ = f.Close() }()
			// Never a page of this origin, whatever it holds.
			w.Header().Set("Content-Type", "application/octet-stream")
			_, _ = io.Copy(w, io.LimitReader(f, largestFile))
			return
		}
	}
	status := http.StatusInternalServerError
	if errors.Is(err, fs.ErrNotExist) {
		status = http.StatusNotFound
	}
	http.Error(w, fmt.Sprintf("file %q: %v", name, err), status)
}

func (h *Handler) write(w http.ResponseWriter, r *http.Request, root *os.Root, name string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestFile))
	if err != nil {
		http.Error(w, fmt.Sprintf("file %q: %v (at most %d bytes)", name, err, largestFile), http.StatusRequestEntityTooLarge)
		return
	}
	h.writing.Lock()
	defer h.writing.Unlock()
	if list, err := entries(root); err != nil || len(list) >= mostFiles {
		http.Error(w, fmt.Sprintf("the home has %d files already, or cannot be listed (%v)", len(list), err), http.StatusInsufficientStorage)
		return
	}
	if info, err := root.Lstat(name); err == nil && !info.Mode().IsRegular() {
		http.Error(w, fmt.Sprintf("%q is not a file", name), http.StatusConflict)
		return
	}
	if err := root.WriteFile(name, body, 0o644); err != nil {
		http.Error(w, fmt.Sprintf("file %q: %v", name, err), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusCreated)
}
