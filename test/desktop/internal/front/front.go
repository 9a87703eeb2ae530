// Package front runs nginx in front of a desktop's own server, as the images do that
// people run: it serves the page itself and passes on a few addresses. It promises to need
// no root and no folder but a temporary one. It does not know what it passes on, or when
// its upstream starts.
package front

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"github.com/org/vdi-operator/test/desktop/internal/process"
)

const (
	// program is where Debian's packages put it, which need not be in PATH.
	program = "/usr/sbin/nginx"
	// restartPause is between two starts. nginx itself tries for some seconds to get a port
	// that is taken, and then ends.
	restartPause = time.Second
)

//go:embed nginx.conf.tmpl
var text string

var configuration = template.Must(template.New("nginx.conf").Parse(text))

// Site is what nginx serves.
type Site struct {
	Port     int
	Upstream string // host:port
	// Page writes the page and its files into a folder. They are served at Folder, which
	// begins and ends with a slash.
	Page   func(dir string) error
	Folder string
	// Requests and Sockets are how the paths begin that go to Upstream; the latter with
	// the headers of an upgrade.
	Requests, Sockets []string
	User, Password    string // nobody is asked for an empty password
}

// Front is a site that is ready to be served.
type Front struct {
	site Site
	dir  string
}

// New writes the site's files into a folder, where nginx keeps its own, too. The folder is
// the caller's to remove once nginx has ended.
func New(site Site, dir string) (*Front, error) {
	if _, err := exec.LookPath(program); err != nil {
		return nil, fmt.Errorf("nginx: %w: install the package nginx-light", err)
	}
	f := &Front{site: site, dir: dir}
	return f, f.write()
}

func (f *Front) write() error {
	if err := f.site.Page(filepath.Join(f.dir, "page")); err != nil {
		return err
	}
	if f.site.Password != "" {
		line := f.site.User + ":{PLAIN}" + f.site.Password + "\n"
		if err := os.WriteFile(filepath.Join(f.dir, "users"), []byte(line), 0o600); err != nil {
			return err
		}
	}
	var conf strings.Builder
	if err := f.render(&conf); err != nil {
		return err
	}
	return os.WriteFile(f.file(), []byte(conf.String()), 0o600)
}

func (f *Front) file() string { return filepath.Join(f.dir, "nginx.conf") }

// render writes the configuration. As root nginx would give its work to a user who cannot
// read our folder.
func (f *Front) render(w *strings.Builder) error {
	return configuration.Execute(w, struct {
		Site
		Dir    string
		AsRoot bool
	}{f.site, f.dir, os.Geteuid() == 0})
}

// Run keeps nginx running until ctx ends.
func (f *Front) Run(ctx context.Context, group *process.Group) {
	group.Keep(ctx, process.Spec{Name: "nginx", Args: []string{program, "-e", "stderr", "-p", f.dir, "-c", f.file()}}, restartPause)
}
