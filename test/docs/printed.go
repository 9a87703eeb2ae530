package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Printed are the commands of a text that a program prints, each with the indentation that it has
// there, as somebody copies it.
func Printed(text string) (scripts []string) {
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		program, rest, _ := strings.Cut(strings.TrimSpace(lines[i]), " ")
		if rest == "" || !slices.Contains(inTables, program) {
			continue
		}
		from := i
		if m := heredoc.FindStringSubmatch(lines[i]); m != nil {
			for i+1 < len(lines) && strings.TrimSpace(lines[i]) != m[1] {
				i++
			}
		}
		scripts = append(scripts, strings.Join(lines[from:i+1], "\n")+"\n")
	}
	return scripts
}

// inMessage is a command within a sentence, as far as it goes.
var inMessage = regexp.MustCompile(`\b(kubectl (?:-n \S+ )?[a-z]+ (?:'[^']*'|[^,;:)"'` + "`" + `\n]|[,:][^ ])*)`)

// Messages are the kubectl commands in the texts of the programs below root. One that names a
// verb alone, or goes on in words, is none.
func Messages(root string) (scripts []Script, err error) {
	for _, folder := range []string{"activator", "cmd", "pkg"} {
		err = filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				text, is := constant(n)
				for _, m := range inMessage.FindAllString(text, -1) {
					if command := inWords.ReplaceAllString(strings.TrimRight(m, ". "), ""); strings.Count(command, " ") > 1 && !mentions.MatchString(command) {
						scripts = append(scripts, Script{set.Position(n.Pos()).String(), 0, command})
					}
				}
				return !is
			})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return scripts, nil
}

// inWords is where the sentence goes on.
var inWords = regexp.MustCompile(` (says|drops|and|or|which|which says|with|first|for it|needs|for the|finds it).*$|\. .*$| +#.*$`)

// constant is a string of the source, put together where it is written in parts.
func constant(n ast.Node) (string, bool) {
	switch e := n.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			text, err := strconv.Unquote(e.Value)
			return text, err == nil
		}
	case *ast.BinaryExpr:
		if e.Op != token.ADD {
			return "", false
		}
		x, isX := constant(e.X)
		y, isY := constant(e.Y)
		switch {
		case isX && isY:
			return x + y, true
		case isX:
			return x + "%s", true
		case isY:
			return "%s" + y, true
		}
	}
	return "", false
}
