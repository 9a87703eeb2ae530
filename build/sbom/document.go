package sbom

import (
	"bytes"
	"fmt"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"

	"github.com/org/vdi-operator/build/cache"
)

const (
	// MediaType is the document's.
	MediaType = "application/spdx+json"
	// distribution is the namespace of Debian's packages in package URLs.
	distribution = "debian"
	// unknown is what SPDX says of what nobody looked for: licences, which Debian has in
	// /usr/share/doc/*/copyright and Go in each module.
	unknown = "NOASSERTION"
)

// About names an image.
type About struct {
	// Name is its repository, and Version the product's.
	Name, Version string
	// Created is the document's time: that of the sources, so that equal images have equal
	// documents.
	Created time.Time
}

// Of makes an image's document.
func Of(img v1.Image, about About) ([]byte, error) {
	digest, err := img.Digest()
	if err != nil {
		return nil, err
	}
	found, err := read(img)
	if err != nil {
		return nil, fmt.Errorf("contents of %s: %w", about.Name, err)
	}
	d := &document{about: about, seen: map[common.ElementID]bool{}}
	d.image = d.add(pkg{name: about.Name, version: digest.String(), purpose: "CONTAINER",
		url: fmt.Sprintf("pkg:oci/%s@%s?repository_url=%s", last(about.Name), url.QueryEscape(digest.String()), url.QueryEscape(about.Name))})
	for _, p := range found.packages {
		d.contains(d.image, d.add(debian(p)))
	}
	for _, p := range found.programs {
		d.program(p)
	}
	return d.text(digest)
}

// document collects the packages of an SPDX document.
type document struct {
	about    About
	image    common.ElementID
	packages []*spdx.Package
	relation []*spdx.Relationship
	seen     map[common.ElementID]bool
}

// pkg is what is said of a package.
type pkg struct{ name, version, url, purpose, comment string }

func debian(p debianPackage) pkg {
	purl := fmt.Sprintf("pkg:deb/%s/%s@%s?arch=%s", distribution, url.PathEscape(p.name), url.QueryEscape(p.version), p.arch)
	if p.source != "" {
		purl += "&upstream=" + url.QueryEscape(p.source)
	}
	return pkg{name: p.name, version: p.version, url: purl, purpose: "LIBRARY"}
}

// program adds a program, the modules in it and Go's own library.
func (d *document) program(p program) {
	main := p.info.Main
	if main.Version == "" || main.Version == "(devel)" {
		main.Version = d.about.Version
	}
	m := module(main)
	m.name, m.purpose, m.comment = p.info.Path, "APPLICATION", "program "+p.path
	id := d.add(m)
	d.contains(d.image, id)
	d.contains(id, d.add(module(debug.Module{Path: "stdlib", Version: strings.TrimPrefix(p.info.GoVersion, "go")})))
	for _, dep := range p.info.Deps {
		if dep.Replace != nil {
			dep = dep.Replace
		}
		d.contains(id, d.add(module(*dep)))
	}
}

func module(m debug.Module) pkg {
	return pkg{name: m.Path, version: m.Version, url: fmt.Sprintf("pkg:golang/%s@%s", m.Path, url.QueryEscape(m.Version)), purpose: "LIBRARY"}
}

// add adds a package once, and returns its identifier.
func (d *document) add(p pkg) common.ElementID {
	id := identifier(p)
	if d.seen[id] {
		return id
	}
	d.seen[id] = true
	d.packages = append(d.packages, &spdx.Package{
		PackageName: p.name, PackageSPDXIdentifier: id, PackageVersion: p.version, PackageComment: p.comment,
		PackageDownloadLocation: unknown, PackageLicenseConcluded: unknown, PackageLicenseDeclared: unknown, PackageCopyrightText: unknown,
		PrimaryPackagePurpose:     p.purpose,
		PackageExternalReferences: []*spdx.PackageExternalReference{{Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL, Locator: p.url}},
	})
	return id
}

func (d *document) contains(whole, part common.ElementID) {
	d.relation = append(d.relation, relationship(whole, "CONTAINS", part))
}

func relationship(a common.ElementID, kind string, b common.ElementID) *spdx.Relationship {
	return &spdx.Relationship{RefA: common.MakeDocElementID("", string(a)), RefB: common.MakeDocElementID("", string(b)), Relationship: kind}
}

func (d *document) text(digest v1.Hash) ([]byte, error) {
	const self = "DOCUMENT"
	whole := &spdx.Document{
		SPDXVersion: spdx.Version, DataLicense: spdx.DataLicense, SPDXIdentifier: self, DocumentName: d.about.Name,
		DocumentNamespace: fmt.Sprintf("https://%s/%s", d.about.Name, digest.Hex),
		CreationInfo: &spdx.CreationInfo{
			Creators: []common.Creator{{CreatorType: "Tool", Creator: "vdi-operator-builder"}},
			Created:  d.about.Created.UTC().Format(time.RFC3339),
		},
		Packages:      d.packages,
		Relationships: append([]*spdx.Relationship{relationship(self, "DESCRIBES", d.image)}, d.relation...),
	}
	var out bytes.Buffer
	err := json.Write(whole, &out, json.Indent(" "))
	return out.Bytes(), err
}

// identifier is a package's: in the letters that SPDX allows, and of no other package.
func identifier(p pkg) common.ElementID {
	readable := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.':
			return r
		}
		return '-'
	}, p.name)
	return common.ElementID("Package-" + readable + "-" + cache.Key(p.url, p.comment))
}

func last(name string) string { return name[strings.LastIndex(name, "/")+1:] }
