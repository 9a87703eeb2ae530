// Package image builds container images without a container engine: static Go programs,
// files and, where a program needs them, Debian packages, each in a layer of its own.
// The same sources give the same bytes. It knows nothing of clusters.
package image

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

// Spec describes one image. It is what a file under build or test/images holds.
type Spec struct {
	// Name is the repository, without a tag.
	Name string `json:"name"`
	// Go programs to compile into the image, statically linked.
	Go []Program `json:"go,omitempty"`
	// Debian packages; naming any gives the image a minimal Debian root filesystem.
	Debian []string `json:"debian,omitempty"`
	// Directories to create.
	Directories []Directory `json:"directories,omitempty"`
	// Files copied from the repository.
	Files []File `json:"files,omitempty"`
	// Links are symbolic links.
	Links []Link `json:"links,omitempty"`
	// CACertificates copies the certificate authorities of Debian's package ca-certificates
	// into the image, for programs that speak HTTPS to the outside.
	CACertificates bool `json:"caCertificates,omitempty"`

	User       string            `json:"user,omitempty"`
	WorkDir    string            `json:"workdir,omitempty"`
	Env        []string          `json:"env,omitempty"`
	Entrypoint []string          `json:"entrypoint,omitempty"`
	Cmd        []string          `json:"cmd,omitempty"`
	Ports      []string          `json:"ports,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
}

// Program is one main package.
type Program struct {
	// Module is the folder of the Go module, relative to the repository's root.
	Module string `json:"module"`
	// Package is the main package, relative to the module, such as ./cmd/operator.
	Package string `json:"package"`
	// Path is where the program lands in the image.
	Path string `json:"path"`
	// Version tells the program the image's tag as its version; one of this product's,
	// which changes with each tag then.
	Version bool `json:"version,omitempty"`
}

// File is a file or a folder of the repository.
type File struct {
	// From is relative to the repository's root. A folder is copied with all it holds.
	From string `json:"from"`
	// Path is where it lands in the image.
	Path string `json:"path"`
	// Mode such as "0755". Without it a file keeps only whether it is executable.
	Mode Mode `json:"mode,omitempty"`
	UID  int  `json:"uid,omitempty"`
	GID  int  `json:"gid,omitempty"`
}

// Directory is an empty folder in the image.
type Directory struct {
	Path string `json:"path"`
	Mode Mode   `json:"mode,omitempty"`
	UID  int    `json:"uid,omitempty"`
	GID  int    `json:"gid,omitempty"`
}

// Link is a symbolic link in the image.
type Link struct {
	Path   string `json:"path"`
	Target string `json:"target"`
}

// Mode is a file mode, written in octal, quoted ("0755") or not (0755).
type Mode int64

// UnmarshalJSON reads octal digits. YAML hands 0755 over either as text or, having read
// the leading zero as octal itself, as the number 493; digits that came as a number are
// therefore the value, and text is octal.
func (m *Mode) UnmarshalJSON(raw []byte) error {
	text := string(raw)
	base := 10
	if unquoted, err := strconv.Unquote(text); err == nil {
		text, base = unquoted, 8
	}
	value, err := strconv.ParseInt(text, base, 64)
	if err != nil || value < 0 || value > 0o7777 {
		return fmt.Errorf("mode %s: want octal digits in quotes, such as \"0755\"", raw)
	}
	*m = Mode(value)
	return nil
}

// ReadSpec reads and checks a spec file.
func ReadSpec(file string) (Spec, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return Spec{}, err
	}
	var spec Spec
	if err := yaml.UnmarshalStrict(raw, &spec); err != nil {
		return Spec{}, fmt.Errorf("%s: %w", file, err)
	}
	if err := spec.validate(); err != nil {
		return Spec{}, fmt.Errorf("%s: %w", file, err)
	}
	return spec, nil
}

func (s Spec) validate() error {
	var problems []error
	if s.Name == "" {
		problems = append(problems, errors.New("name is missing: give the image's repository, such as ghcr.io/org/name"))
	}
	if strings.ContainsAny(path.Base(s.Name), ":@") {
		problems = append(problems, fmt.Errorf("name %q carries a tag or digest: leave it out and use --tag", s.Name))
	}
	absolute := func(field, value string) {
		if !path.IsAbs(value) || path.Clean(value) != value {
			problems = append(problems, fmt.Errorf("%s %q: want a clean absolute path", field, value))
		}
	}
	inside := func(field, value string) {
		if !filepath.IsLocal(value) {
			problems = append(problems, fmt.Errorf("%s %q: want a path inside the repository, relative to its root", field, value))
		}
	}
	for _, p := range s.Go {
		inside("go.module", p.Module)
		absolute("go.path", p.Path)
	}
	for _, f := range s.Files {
		inside("files.from", f.From)
		absolute("files.path", f.Path)
	}
	for _, d := range s.Directories {
		absolute("directories.path", d.Path)
	}
	for _, l := range s.Links {
		absolute("links.path", l.Path)
	}
	if s.WorkDir != "" {
		absolute("workdir", s.WorkDir)
	}
	for _, e := range s.Env {
		if !strings.Contains(e, "=") {
			problems = append(problems, fmt.Errorf("env %q: want NAME=value", e))
		}
	}
	return errors.Join(problems...)
}
