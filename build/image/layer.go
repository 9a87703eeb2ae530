package image

import (
	"archive/tar"
	"bytes"
	"cmp"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// buildTime stands for every time in an image, so that equal contents give equal bytes.
// It is not zero because some tools take 1970 for "no time".
var buildTime = time.Date(2020, time.January, 1, 0, 0, 0, 0, time.UTC)

// entry is one line of a layer: a folder, a file with its bytes or with those at source, or a link.
type entry struct {
	path     string // absolute, in the image
	source   string // file on this machine; empty for a folder or a link
	content  []byte // of a file without a source
	target   string // of a link
	mode     int64
	uid, gid int
}

// layer makes a layer of entries. Parent folders are left to the runtime to create
// unless listed, with mode 0755 and root as the owner.
func layer(entries []entry) (v1.Layer, error) {
	slices.SortStableFunc(entries, func(a, b entry) int { return cmp.Compare(a.path, b.path) })
	var raw bytes.Buffer
	w := tar.NewWriter(&raw)
	for _, e := range entries {
		if err := writeEntry(w, e); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(raw.Bytes())), nil
	}, layerOptions()...)
}

func writeEntry(w *tar.Writer, e entry) error {
	header := &tar.Header{
		Name:    strings.TrimPrefix(e.path, "/"),
		Mode:    e.mode,
		Uid:     e.uid,
		Gid:     e.gid,
		ModTime: buildTime,
		Format:  tar.FormatPAX,
	}
	switch {
	case e.target != "":
		header.Typeflag, header.Linkname, header.Mode = tar.TypeSymlink, e.target, 0o777
		return w.WriteHeader(header)
	case e.content != nil:
		header.Typeflag, header.Size = tar.TypeReg, int64(len(e.content))
		if err := w.WriteHeader(header); err != nil {
			return err
		}
		_, err := w.Write(e.content)
		return err
	case e.source == "":
		header.Typeflag = tar.TypeDir
		header.Name += "/"
		return w.WriteHeader(header)
	}
	file, err := os.Open(e.source)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	header.Typeflag, header.Size = tar.TypeReg, info.Size()
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(w, file)
	return err
}

// fileEntries lists what a File of the spec brings: itself, or all below it.
func fileEntries(root string, f File) ([]entry, error) {
	from := filepath.Join(root, f.From)
	var entries []entry
	err := filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		e := entry{path: path.Join(f.Path, filepath.ToSlash(below)), uid: f.UID, gid: f.GID}
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			if below == "." {
				return nil // the folder copied to may exist already, with its own mode
			}
			e.mode = 0o755
		case d.Type()&fs.ModeSymlink != 0:
			if e.target, err = os.Readlink(name); err != nil {
				return err
			}
		default:
			e.source, e.mode = name, fileMode(info, f.Mode)
		}
		entries = append(entries, e)
		return nil
	})
	return entries, err
}

// fileMode is the mode asked for or, without one, 0755 for what is executable here and
// 0644 for the rest: a checkout's umask must not show in the image.
func fileMode(info fs.FileInfo, asked Mode) int64 {
	switch {
	case asked != 0:
		return int64(asked)
	case info.Mode()&0o111 != 0:
		return 0o755
	default:
		return 0o644
	}
}
