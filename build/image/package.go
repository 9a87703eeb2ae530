package image

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"strings"
)

// dpkgStatus is where Debian lists the packages of a root filesystem; what looks for known
// vulnerabilities reads it.
const dpkgStatus = "var/lib/dpkg/status"

// debianPackage is a package's file.
type debianPackage struct {
	file, name string
	control    string
}

func readControl(ctx context.Context, file string) (debianPackage, error) {
	control, err := exec.CommandContext(ctx, "dpkg-deb", "--field", file).Output()
	if err != nil {
		return debianPackage{}, fmt.Errorf("dpkg-deb --field %s: %w", file, err)
	}
	name, _, _ := strings.Cut(path.Base(file), "_")
	return debianPackage{file: file, name: name, control: string(control)}, nil
}

// status is the package's paragraph in dpkg's list.
func (p debianPackage) status() string {
	first, rest, _ := strings.Cut(strings.TrimSpace(p.control), "\n")
	return first + "\nStatus: install ok installed\n" + rest + "\n\n"
}

// contents hands over each file of the package, without the leading "./".
func (p debianPackage) contents(ctx context.Context, each func(*tar.Header, io.Reader) error) error {
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", p.file)
	var problem bytes.Buffer
	cmd.Stderr = &problem
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = eachEntry(out, each)
	_, _ = io.Copy(io.Discard, out) // the padding, or what is left after an error
	if waited := cmd.Wait(); waited != nil {
		err = errors.Join(err, fmt.Errorf("dpkg-deb: %w: %s", waited, bytes.TrimSpace(problem.Bytes())))
	}
	return err
}

// eachEntry hands over what a tar holds.
func eachEntry(in io.Reader, each func(*tar.Header, io.Reader) error) error {
	r := tar.NewReader(in)
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		header.Name = strings.TrimPrefix(header.Name, "./")
		if err := each(header, r); err != nil {
			return err
		}
	}
}
