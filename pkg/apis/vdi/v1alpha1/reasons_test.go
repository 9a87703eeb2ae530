package v1alpha1

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// reasonArguments are the places of condition types and reasons in the calls that set
// conditions, record events or ask for them.
var reasonArguments = map[string][]int{
	"Set": {0, 2}, "condition": {0, 2}, "conditionIs": {0, 1}, "block": {0, 1}, "refuse": {0, 1}, "refusedOr": {1}, "event": {1},
	"Eventf": {3}, "MarkInactive": {0}, "MarkActivating": {0},
	"FindStatusCondition": {1}, "IsStatusConditionTrue": {1}, "IsStatusConditionFalse": {1},
}

// reasonFields are the fields of the structs that conditions are made of.
var reasonFields = map[string][]string{
	"Condition": {"Type", "Reason"}, "Progress": {"Reason"}, "Delay": {"Reason"}, "SessionWaiting": {"Reason"},
}

// word is a literal that is a condition's type or reason.
var word = regexp.MustCompile(`^"[A-Z][A-Za-z]+"$`)

func TestConditionsAndEventsHaveTheirReasonsFromHere(t *testing.T) {
	const root = "../../../.."
	calls := 0
	for _, dir := range []string{"activator", "cmd", "pkg"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, path, nil, 0)
			if err != nil {
				return err
			}
			check := func(e ast.Expr) {
				calls++
				if literal, ok := e.(*ast.BasicLit); ok {
					assert.NotRegexp(t, word, literal.Value, "%s: give it a constant in reasons.go", files.Position(e.Pos()))
				}
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CallExpr:
					for _, i := range reasonArguments[name(n.Fun)] {
						if i < len(n.Args) && (name(n.Fun) != "Set" || len(n.Args) == 4) { // a header's Set takes two
							check(n.Args[i])
						}
					}
				case *ast.CompositeLit:
					checkFields(n, check)
				case *ast.ReturnStmt: // status, reason, message
					if len(n.Results) > 1 && (strings.HasPrefix(name(n.Results[0]), "Condition") || strings.HasPrefix(name(n.Results[0]), "Phase")) {
						check(n.Results[1])
					}
				}
				return true
			})
			return nil
		})
		require.NoError(t, err)
	}
	assert.GreaterOrEqual(t, calls, 60, "only %d places were found: the names of the calls have changed", calls)
}

func checkFields(n *ast.CompositeLit, check func(ast.Expr)) {
	if name(n.Type) == "verdict" && len(n.Elts) > 1 { // status, reason, message
		check(n.Elts[1])
	}
	for _, e := range n.Elts {
		kv, ok := e.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		for _, field := range reasonFields[name(n.Type)] {
			if name(kv.Key) == field {
				check(kv.Value)
			}
		}
	}
}

// name is the last name of an expression, such as Eventf of r.Events.Eventf.
func name(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}
