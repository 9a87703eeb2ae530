package docs

import (
	"regexp"
	"slices"
	"strings"
)

var (
	// ours is a command that test/chart/apiserver runs as it stands.
	ours = regexp.MustCompile(`^(kubectl |helm (history|rollback|uninstall|test) vdi )`)
	// foreign is what a command needs that no test has: something to download, or a product that
	// is neither this one's, nor Kubernetes', Knative's or cert-manager's.
	foreign = regexp.MustCompile(`https://|\$[A-Z]|nvidia|kubectl krew |iam\.gke\.io|-n (traefik|kube-system|cert-manager)\b|(^| )(time-slicing|template)\.yaml|wildcard\.crt`)
	// placeholder is a word that the reader replaces.
	placeholder = regexp.MustCompile(`(^|[\s=/])(NAME|NAMESPACE|NODE|POD|SESSION|TEMPLATE|REVISION|GROUP)($|[\s;])`)
	// assignment is a script's line that sets a variable.
	assignment = regexp.MustCompile(`^\w+=`)
	// mentions name a command; nobody types them so.
	mentions = regexp.MustCompile(`^kubectl (vdi( link| restore| backup| wake| sleep)?|([a-z-]+ ?(pod|vdi|namespace|restart|pvc|--all|--disable-eviction)?))$|^kubectl (delete vdi --all|get vdi|explain pod\.spec)$`)
)

// Script is what a reader pastes into a shell.
type Script struct {
	// Page and Line are where it stands.
	Page string
	Line int
	Text string
}

// RunsHere is whether a test runs a command against an API server, as far as that goes.
func RunsHere(command string) bool { return ours.MatchString(command) && !foreign.MatchString(command) }

// Scripts are the page's blocks and code spans that tests can run: blocks as a whole where all of
// their commands are such, otherwise the single ones.
func (p *Page) Scripts() (scripts []Script) {
	for _, block := range p.Blocks() {
		whole, _ := runnable(block.Text)
		for _, text := range whole {
			scripts = append(scripts, Script{p.Path, block.Line, text})
		}
	}
	for _, span := range p.Spans() {
		if RunsHere(span) && !mentions.MatchString(span) {
			scripts = append(scripts, Script{Page: p.Path, Text: span})
		}
	}
	return scripts
}

// Untried are the commands of the page's blocks that no test runs.
func (p *Page) Untried() (commands []string) {
	for _, block := range p.Blocks() {
		_, untried := runnable(block.Text)
		commands = append(commands, untried...)
	}
	return commands
}

// runnable takes a block apart into what can be run, the block itself where possible, and the
// commands that no test tries.
func runnable(text string) (scripts, untried []string) {
	for _, command := range commandsOf(text) {
		switch {
		case RunsHere(command) && !heredoc.MatchString(command):
			scripts = append(scripts, command)
		case strings.HasPrefix(command, "make "):
			return nil, nil // a target is looked for in the Makefile
		case !setsUp(command):
			untried = append(untried, command)
		}
	}
	if len(slices.DeleteFunc(slices.Clone(untried), RunsHere)) > 0 || !isScript(text) {
		return scripts, untried
	}
	return []string{text}, nil
}

// setsUp is whether a command of a script is the chart's, which test/chart renders.
func setsUp(command string) bool { return tried.MatchString(command) }

// isScript is whether a block begins as one.
func isScript(text string) bool {
	first, _, _ := strings.Cut(text, "\n")
	program, _, _ := strings.Cut(settings.ReplaceAllString(first, ""), " ")
	return slices.Contains(programs, program) || assignment.MatchString(first)
}

// Fill puts words in the place of a script's placeholders.
func Fill(script string, words map[string]string) string {
	for placeholder.MatchString(script) {
		script = placeholder.ReplaceAllStringFunc(script, func(found string) string {
			m := placeholder.FindStringSubmatch(found)
			return m[1] + words[m[2]] + m[3]
		})
	}
	return script
}
