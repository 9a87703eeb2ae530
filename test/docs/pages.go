// Package docs reads this repository's pages, for tests that keep what they say true:
// links that lead somewhere, values that the chart has, and manifests that the API
// server takes.
package docs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

// Page is one Markdown file.
type Page struct {
	// Path is relative to the repository's root.
	Path string

	source []byte
	tree   ast.Node
}

// skipped folders hold no page of ours.
var skipped = map[string]bool{".git": true, "bin": true, "out": true, "node_modules": true}

// Pages are all Markdown files below root.
func Pages(root string) ([]*Page, error) {
	parser := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser()
	var pages []*Page
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && skipped[entry.Name()]:
			return filepath.SkipDir
		case entry.IsDir() || filepath.Ext(path) != ".md":
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		pages = append(pages, &Page{Path: relative, source: source, tree: parser.Parse(text.NewReader(source))})
		return nil
	})
	if err == nil && len(pages) == 0 {
		err = fmt.Errorf("no page below %s", root)
	}
	return pages, err
}

// each calls visit for every node of a kind.
func each[T ast.Node](p *Page, visit func(T)) {
	_ = ast.Walk(p.tree, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if found, is := n.(T); is && entering {
			visit(found)
		}
		return ast.WalkContinue, nil
	})
}

// Links are where the page's links and pictures lead, as they are written.
func (p *Page) Links() (links []string) {
	each(p, func(l *ast.Link) { links = append(links, string(l.Destination)) })
	each(p, func(i *ast.Image) { links = append(links, string(i.Destination)) })
	return links
}

// Anchors are the names of the page's headings, as GitHub makes them.
func (p *Page) Anchors() map[string]bool {
	anchors := map[string]bool{}
	each(p, func(h *ast.Heading) {
		name := slug(string(p.text(h)))
		for i, unique := 1, name; ; i++ {
			if !anchors[unique] {
				anchors[unique] = true
				return
			}
			unique = name + "-" + strconv.Itoa(i)
		}
	})
	return anchors
}

// notInSlugs is what GitHub leaves out of an anchor.
var notInSlugs = regexp.MustCompile(`[^\p{L}\p{N}\p{M} _-]`)

func slug(heading string) string {
	return strings.ReplaceAll(notInSlugs.ReplaceAllString(strings.ToLower(heading), ""), " ", "-")
}

// Spans are what the page's text has in backquotes; the end of a line in one is read as a space.
func (p *Page) Spans() (spans []string) {
	each(p, func(c *ast.CodeSpan) { spans = append(spans, strings.ReplaceAll(string(p.text(c)), "\n", " ")) })
	return spans
}

// Block is a block of code.
type Block struct {
	// Line is where it begins.
	Line int
	Text string
}

// Blocks are the page's blocks of code, fenced and indented.
func (p *Page) Blocks() (blocks []Block) {
	add := func(lines *text.Segments) {
		if lines.Len() > 0 {
			blocks = append(blocks, Block{Line: 1 + strings.Count(string(p.source[:lines.At(0).Start]), "\n"), Text: string(lines.Value(p.source))})
		}
	}
	each(p, func(b *ast.FencedCodeBlock) { add(b.Lines()) })
	each(p, func(b *ast.CodeBlock) { add(b.Lines()) })
	return blocks
}

// Saved is the block that the page tells its reader to save as a file of that name.
func (p *Page) Saved(name string) (saved string) {
	before, _, told := strings.Cut(string(p.source), "ave this as `"+name+"`")
	line := 1 + strings.Count(before, "\n")
	for _, b := range p.Blocks() {
		if told && b.Line > line {
			return b.Text
		}
	}
	return ""
}

// text is what a node shows, without its marks.
func (p *Page) text(n ast.Node) (shown []byte) {
	for child := n.FirstChild(); child != nil; child = child.NextSibling() {
		switch c := child.(type) {
		case *ast.Text:
			shown = append(shown, c.Segment.Value(p.source)...)
		case *ast.String:
			shown = append(shown, c.Value...)
		default:
			shown = append(shown, p.text(c)...)
		}
	}
	return shown
}
