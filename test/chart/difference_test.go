package chart

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pmezard/go-difflib/difflib"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/test/helm"
)

// object is one that was rendered, as text.
type object struct{ kind, name, text string }

func parsed(t *testing.T, document string) object {
	t.Helper()
	all, err := helm.Objects(document)
	require.NoError(t, err)
	require.Len(t, all, 1, "objects in, %s", document)
	o := all[0]
	return object{o.GetKind(), strings.TrimPrefix(o.GetNamespace()+"/"+o.GetName(), "/"), document}
}

func (o object) same(other object) bool { return o.kind == other.kind && o.name == other.name }

func inFull(all []object) string {
	var b strings.Builder
	for _, o := range all {
		b.WriteString("---\n" + o.text)
	}
	return b.String()
}

// difference says which objects of others are missing, added and changed, and how.
func difference(defaults, others []object) string {
	var b strings.Builder
	b.WriteString("# What these values change of default.golden.yaml, object by object.\n")
	for _, o := range defaults {
		if !slices.ContainsFunc(others, o.same) {
			fmt.Fprintf(&b, "--- %s %s\n", o.kind, o.name)
		}
	}
	for _, o := range others {
		i := slices.IndexFunc(defaults, o.same)
		switch {
		case i < 0:
			fmt.Fprintf(&b, "\n+++ %s %s\n", o.kind, o.name)
			for _, line := range lines(o.text) {
				b.WriteString("+" + line)
			}
		case defaults[i].text != o.text:
			fmt.Fprintf(&b, "\n~~~ %s %s\n%s", o.kind, o.name, hunks(lines(defaults[i].text), lines(o.text), 1))
		}
	}
	return b.String()
}

// lines are a text's lines, each with its end.
func lines(text string) []string { return slices.Collect(strings.Lines(text)) }

// hunks is a unified difference whose hunks have the path of their first change for a
// heading. Numbers of lines would differ with every other change.
func hunks(from, to []string, context int) string {
	var b strings.Builder
	for _, group := range difflib.NewMatcher(from, to).GetGroupedOpCodes(context) {
		first := slices.IndexFunc(group, func(op difflib.OpCode) bool { return op.Tag != 'e' })
		fmt.Fprintf(&b, "@@ %s\n", path(to, group[first].J1))
		for _, op := range group {
			if op.Tag == 'e' {
				write(&b, " ", from[op.I1:op.I2])
				continue
			}
			write(&b, "-", from[op.I1:op.I2])
			write(&b, "+", to[op.J1:op.J2])
		}
	}
	return b.String()
}

func write(b *strings.Builder, sign string, lines []string) {
	for _, line := range lines {
		b.WriteString(sign + line)
	}
}

func indent(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// longestName is how much of an item of a list stands in a path, in bytes.
const longestName = 60

// path names what the line at i is in, by the lines above that are indented less.
func path(lines []string, i int) string {
	i = min(i, len(lines)-1)
	var names []string
	for depth, at, end := indent(lines[i]), i-1, i; depth > 0 && at >= 0; at-- {
		name := strings.TrimSpace(lines[at])
		if name == "" || strings.HasPrefix(name, "#") || indent(lines[at]) >= depth {
			continue
		}
		if strings.HasPrefix(name, "- ") {
			// An item of a list has no name but what it begins with.
			name = strings.Join(strings.Fields(strings.Join(lines[at:end], "")), " ")
		}
		if len(name) > longestName {
			name = name[:longestName] + "…"
		}
		names = append(names, strings.TrimSuffix(name, ":"))
		depth, end = indent(lines[at]), at
	}
	slices.Reverse(names)
	return strings.Join(names, " / ")
}
