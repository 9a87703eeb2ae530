package image

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// aptHost is how this machine reaches Debian's packages. Images are made the same way, so
// a mirror, a proxy or a snapshot that the machine is set up with is used here too, and no
// address is written down in this project.
type aptHost struct {
	suite   string // the release, such as bookworm
	sources string // deb822 stanzas
	options string // apt.conf lines: proxies, certificates, validity checks
}

// keptOptions are the prefixes of the host's apt settings that matter for reaching the
// mirror.
var keptOptions = []string{
	"Acquire::http", "Acquire::https", "Acquire::Check-", "Acquire::Retries", "Acquire::ForceIP", "Acquire::AllowInsecure",
}

// readAptHost reads the release and sources below etc (normally /etc) and asks apt for its
// settings.
func readAptHost(etc string) (aptHost, error) {
	suite, err := releaseCodename(filepath.Join(etc, "os-release"))
	if err != nil {
		return aptHost{}, err
	}
	sources, err := hostSources(filepath.Join(etc, "apt"), suite)
	if err != nil {
		return aptHost{}, err
	}
	dump, err := exec.Command("apt-config", "dump").Output()
	if err != nil {
		return aptHost{}, fmt.Errorf("apt-config dump: %w: images with Debian packages are built on Debian or Ubuntu", err)
	}
	return aptHost{suite: suite, sources: sources, options: filterOptions(string(dump))}, nil
}

func releaseCodename(file string) (string, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(raw)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "VERSION_CODENAME="); ok {
			return strings.Trim(value, `"`), nil
		}
	}
	return "", fmt.Errorf("%s names no VERSION_CODENAME: images with Debian packages are built on Debian or Ubuntu", file)
}

// hostSources collects the distribution's own sources (those with the component main for
// the suite), whichever of apt's two formats they are in. Other vendors' repositories on
// the machine stay out of the images.
func hostSources(apt, suite string) (string, error) {
	lists, _ := filepath.Glob(filepath.Join(apt, "sources.list.d", "*.list"))
	deb822, _ := filepath.Glob(filepath.Join(apt, "sources.list.d", "*.sources"))
	var stanzas []string
	for _, file := range append([]string{filepath.Join(apt, "sources.list")}, lists...) {
		raw, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		for line := range strings.Lines(string(raw)) {
			if stanza, ok := fromOneLine(line); ok {
				stanzas = append(stanzas, stanza)
			}
		}
	}
	for _, file := range deb822 {
		raw, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		stanzas = append(stanzas, splitStanzas(string(raw))...)
	}
	stanzas = slices.DeleteFunc(stanzas, func(s string) bool { return !isDistribution(s, suite) })
	if len(stanzas) == 0 {
		return "", fmt.Errorf("%s has no source with component main for %s: apt needs one to build images with Debian packages", apt, suite)
	}
	return strings.Join(stanzas, "\n\n") + "\n", nil
}

// fromOneLine turns "deb [signed-by=K] URI SUITE COMPONENT..." into a stanza.
func fromOneLine(line string) (string, bool) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(line), "deb ")
	if !ok {
		return "", false
	}
	var options string
	if opened, ok := strings.CutPrefix(strings.TrimSpace(rest), "["); ok {
		if options, rest, ok = strings.Cut(opened, "]"); !ok {
			return "", false
		}
	}
	fields := strings.Fields(rest)
	if len(fields) < 3 {
		return "", false
	}
	stanza := fmt.Sprintf("Types: deb\nURIs: %s\nSuites: %s\nComponents: %s", fields[0], fields[1], strings.Join(fields[2:], " "))
	for _, option := range strings.Fields(options) {
		switch name, value, _ := strings.Cut(option, "="); strings.ToLower(name) {
		case "signed-by":
			stanza += "\nSigned-By: " + value
		case "trusted":
			stanza += "\nTrusted: " + value
		}
	}
	return stanza, true
}

// splitStanzas cuts a deb822 file at its empty lines and drops comments.
func splitStanzas(text string) []string {
	var stanzas []string
	var current []string
	flush := func() {
		if len(current) > 0 {
			stanzas = append(stanzas, strings.Join(current, "\n"))
			current = nil
		}
	}
	scanner := bufio.NewScanner(strings.NewReader(text))
	for scanner.Scan() {
		line := strings.TrimRight(scanner.Text(), " \t")
		switch {
		case line == "":
			flush()
		case strings.HasPrefix(line, "#"):
		default:
			current = append(current, line)
		}
	}
	flush()
	return stanzas
}

// isDistribution reports whether a stanza offers packages of the suite's component main.
func isDistribution(stanza, suite string) bool {
	fields := map[string][]string{}
	for line := range strings.Lines(stanza) {
		if name, value, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, " ") {
			fields[strings.ToLower(name)] = strings.Fields(value)
		}
	}
	ofSuite := slices.ContainsFunc(fields["suites"], func(s string) bool {
		return s == suite || strings.HasPrefix(s, suite+"-")
	})
	switched := fields["enabled"]
	off := len(switched) > 0 && strings.EqualFold(switched[0], "no")
	return ofSuite && !off && slices.Contains(fields["types"], "deb") && slices.Contains(fields["components"], "main")
}

func filterOptions(dump string) string {
	var kept strings.Builder
	for line := range strings.Lines(dump) {
		if slices.ContainsFunc(keptOptions, func(prefix string) bool { return strings.HasPrefix(line, prefix) }) {
			kept.WriteString(line)
		}
	}
	return kept.String()
}
