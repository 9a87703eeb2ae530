package image

import (
	"archive/tar"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// scripted is what packages' scripts made in a root filesystem: all that no package brings.
// Of the packages used here that is text and links, the same on every architecture; what is
// not is refused.
type scripted struct {
	// headers is every path of the filesystem.
	headers map[string]*tar.Header
	// links are folders that packages know under another name, such as bin, which is usr/bin.
	links map[string]string
	// entries are what no package brings.
	entries []madeEntry
}

// madeEntry is a path that scripts made.
type madeEntry struct {
	header  *tar.Header
	content string
	// problem says why it cannot be used on another architecture.
	problem error
}

// notForeign are made by scripts of this architecture's and are not missed: the loader looks into
// Debian's folders by itself, and the list of packages is written anew.
var notForeign = []string{"etc/ld.so.cache", "var/lib/dpkg/"}

// dpkgInfo is where dpkg lists each package's files.
const dpkgInfo = "var/lib/dpkg/info/"

// readScripted reads a root filesystem whose libraries lie in folders called triplet.
func readScripted(file, triplet string) (*scripted, error) {
	s := &scripted{headers: map[string]*tar.Header{}, links: map[string]string{}}
	var listed []string
	err := eachOfFile(file, func(header *tar.Header, content io.Reader) error {
		s.headers[header.Name] = header
		if header.Typeflag == tar.TypeSymlink && !strings.Contains(header.Name, "/") {
			s.links[header.Name] = header.Linkname
		}
		if !strings.HasPrefix(header.Name, dpkgInfo) || path.Ext(header.Name) != ".list" {
			return nil
		}
		raw, err := io.ReadAll(content)
		listed = append(listed, strings.Split(string(raw), "\n")...)
		return err
	})
	if err != nil {
		return nil, err
	}
	owned := map[string]bool{}
	for _, name := range listed {
		if name = strings.TrimPrefix(name, "/"); s.links[name] == "" {
			owned[s.merged(name)] = true
		}
	}
	return s, eachOfFile(file, func(header *tar.Header, content io.Reader) error {
		if owned[strings.TrimSuffix(header.Name, "/")] || ofThisArchitecture(header.Name) {
			return nil
		}
		raw, err := io.ReadAll(content)
		if err != nil {
			return err
		}
		s.entries = append(s.entries, madeEntry{header: header, content: string(raw), problem: tied(header, raw, triplet)})
		return nil
	})
}

func eachOfFile(file string, each func(*tar.Header, io.Reader) error) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	zip, err := gzip.NewReader(in)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return eachEntry(zip, each)
}

func ofThisArchitecture(name string) bool {
	for _, prefix := range notForeign {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// tied says why what a script made is of use on its own architecture only.
func tied(header *tar.Header, content []byte, triplet string) error {
	if strings.HasPrefix(string(content), "\x7fELF") || strings.Contains(header.Name, triplet) || strings.Contains(header.Linkname, triplet) {
		return fmt.Errorf("/%s is made by a package's script for this machine's architecture: build this image on a machine of the other", header.Name)
	}
	return nil
}

// merged is where a package's path really lies: packages name both /bin and /usr/bin, which
// are one folder.
func (s *scripted) merged(name string) string {
	name = strings.TrimPrefix(name, "./")
	first, rest, below := strings.Cut(name, "/")
	if to, ok := s.links[first]; ok && below && rest != "" {
		return to + "/" + rest
	}
	return name
}
