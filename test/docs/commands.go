package docs

import (
	"regexp"
	"slices"
	"strings"
)

// notRun is how a page begins to say that no test runs some of its commands, and what they need.
const notRun = "*Tests do not run "

// programs are what a command begins with; a line that begins otherwise is no command.
var programs = []string{
	"apt-get", "aws", "az", "cat", "curl", "eksctl", "export", "firewall-cmd", "gcloud", "go", "grep", "helm", "kind", "kubectl",
	"make", "minikube", "nft", "nvidia-smi", "openssl", "sed", "systemctl", "ufw",
}

// inTables are programs that a code span gives as a command.
var inTables = []string{"go", "helm", "kubectl", "make"}

var (
	// heredoc is the end of a line that is followed by a text and the text's last line.
	heredoc = regexp.MustCompile(`<<-?'?(\w+)'?`)
	// settings are what stands before a command's program: VARIABLE=value.
	settings = regexp.MustCompile(`^(?:[A-Z_]+=\S* )+`)
	// comment is a shell's.
	comment = regexp.MustCompile(`\s+#.*$`)
)

// tried are the commands that a test tries otherwise than by running them: `make` and `kubectl vdi`
// here, the chart's in test/chart, files in config by the tests of the manifests.
var tried = regexp.MustCompile(`^(make |kubectl vdi |helm (install|upgrade|template|lint|package) .*charts/vdi-operator|kubectl apply (-f config/\S+ ?)+$|export |cat )`)

// Commands are what the page's blocks and code spans let its reader run, a command a
// line, without settings and comments.
func (p *Page) Commands() (commands []string) {
	commands = p.blockCommands()
	for _, span := range p.Spans() {
		if program, rest, _ := strings.Cut(span, " "); rest != "" && slices.Contains(inTables, program) {
			commands = append(commands, span)
		}
	}
	return commands
}

// NotRun is whether the page says that it has commands which no test runs.
func (p *Page) NotRun() bool { return strings.Contains(string(p.source), notRun) }

func (p *Page) blockCommands() (commands []string) {
	for _, block := range p.Blocks() {
		commands = append(commands, commandsOf(block.Text)...)
	}
	return commands
}

func commandsOf(text string) (commands []string) {
	end := ""
	for _, line := range strings.Split(strings.ReplaceAll(text, "\\\n", " "), "\n") {
		line = strings.TrimSpace(line)
		if end != "" {
			if line == end {
				end = ""
			}
			continue
		}
		if m := heredoc.FindStringSubmatch(line); m != nil {
			end = m[1]
		}
		line = comment.ReplaceAllString(settings.ReplaceAllString(line, ""), "")
		if program, _, _ := strings.Cut(line, " "); slices.Contains(programs, program) {
			commands = append(commands, line)
		}
	}
	return commands
}
