package image

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/org/vdi-operator/build/cache"
)

// foreignRecipe changes whenever foreignLayer would make something else of the same packages.
const foreignRecipe = "2"

// triplets are the names that Debian's folders of libraries have, by architecture.
var triplets = map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}

// foreign makes the root filesystem of another architecture at final, and runs none of its
// programs. The files are those of its packages. What the packages' scripts would make, such as
// users and alternatives, is taken from the root filesystem of this machine's architecture,
// where they ran; see scripted.
func (b Builder) foreign(ctx context.Context, host aptHost, packages []string, native, final string) error {
	dir, cleanup, err := b.Cache.Scratch("foreign")
	if err != nil {
		return err
	}
	defer cleanup()
	debs, err := b.download(ctx, host, b.arch(), packages, dir)
	if err != nil {
		return err
	}
	made, err := readScripted(native, triplets[runtime.GOARCH])
	if err != nil {
		return err
	}
	half := filepath.Join(dir, "rootfs.tar.gz")
	if err := composeFile(ctx, made, debs, half); err != nil {
		return fmt.Errorf("root filesystem for %s: %w", b.arch(), err)
	}
	return cache.Publish(half, final)
}

func composeFile(ctx context.Context, made *scripted, debs []string, to string) error {
	return compressed(to, func(zip io.Writer) error {
		c := composition{out: tar.NewWriter(zip), native: made, from: map[string]string{}}
		if err := c.compose(ctx, debs); err != nil {
			return err
		}
		return c.out.Close()
	})
}

// composition writes one root filesystem.
type composition struct {
	out    *tar.Writer
	native *scripted
	// from is the package that brought a path.
	from map[string]string
}

func (c *composition) compose(ctx context.Context, debs []string) error {
	var status strings.Builder
	for _, deb := range debs {
		p, err := readControl(ctx, deb)
		if err != nil {
			return err
		}
		status.WriteString(p.status())
		if err := p.contents(ctx, func(header *tar.Header, content io.Reader) error { return c.add(p.name, header, content) }); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(deb), err)
		}
	}
	for _, e := range c.native.entries {
		if c.from[e.header.Name] != "" {
			continue
		}
		if e.problem != nil {
			return e.problem
		}
		if err := c.write(e.header, strings.NewReader(e.content)); err != nil {
			return err
		}
	}
	raw := status.String()
	return c.write(&tar.Header{Typeflag: tar.TypeReg, Name: dpkgStatus, Mode: 0o644, Size: int64(len(raw))}, strings.NewReader(raw))
}

// add writes what a package brings, with the mode and the owner that its scripts gave it.
func (c *composition) add(pkg string, header *tar.Header, content io.Reader) error {
	header.Name = c.native.merged(header.Name)
	if header.Typeflag == tar.TypeLink {
		header.Linkname = c.native.merged(header.Linkname)
	}
	name := header.Name
	isDir := header.Typeflag == tar.TypeDir
	switch before := c.from[name]; {
	case name == "" || excluded(header) || dropped(name) || c.native.links[strings.TrimSuffix(name, "/")] != "":
		return nil
	case before != "" && isDir:
		return nil
	case before != "":
		return fmt.Errorf("/%s is also in %s: a diversion, which is understood only where packages' scripts run; build this image on a machine of that architecture", name, before)
	}
	if link := c.native.headers[strings.TrimSuffix(name, "/")]; isDir && link != nil && link.Typeflag == tar.TypeSymlink {
		header = link // a script moved the folder, such as /var/run
	}
	if native := c.native.headers[name]; native != nil && native.Typeflag == header.Typeflag {
		header.Mode, header.Uid, header.Gid = native.Mode, native.Uid, native.Gid
	}
	c.from[name] = pkg
	return c.write(header, content)
}

func (c *composition) write(header *tar.Header, content io.Reader) error {
	undate(header)
	if err := c.out.WriteHeader(header); err != nil {
		return err
	}
	_, err := io.Copy(c.out, content)
	return err
}
