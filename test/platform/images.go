package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// specs are the images of one installation with its tests, below the repository's root.
var specs = []string{
	"build/operator.yaml", "build/activator.yaml", "build/portal.yaml", "build/agent.yaml", "build/node.yaml", "build/coturn.yaml",
	"test/images/desktop.yaml", "test/images/bench.yaml", "test/images/provider.yaml",
}

// unresolved is the registry that Knative takes for none: it does not look up what tags mean there.
const unresolved = "dev.local"

// images builds this tree's images, brings them where the cluster finds them, and
// returns their references.
func (p *platform) images(ctx context.Context) ([]string, error) {
	tag, err := p.tag(ctx)
	if err != nil {
		return nil, err
	}
	if !p.own() {
		pushed, err := p.quiet(ctx, p.builder, append(p.push(tag), specs...)...)
		return strings.Fields(pushed), err
	}
	out := filepath.Join(p.root, "out", "images")
	if err := os.MkdirAll(out, 0o755); err != nil {
		return nil, err
	}
	var tars []string
	for _, s := range specs {
		tars = append(tars, filepath.Join(out, strings.TrimSuffix(filepath.Base(s), ".yaml")+".tar"))
	}
	built, err := p.quiet(ctx, p.builder, append([]string{"images", "--tag", tag, "--out", out, "--registry", unresolved}, specs...)...)
	if err != nil {
		return nil, err
	}
	return strings.Fields(built), p.loud(ctx, p.cluster, append([]string{"load"}, tars...)...)
}

// push is the command that brings images to the registry of the user's own cluster.
func (p *platform) push(tag string) []string {
	args := []string{"push", "--tag", tag, "--registry", p.registry}
	if p.insecure {
		args = append(args, "--insecure")
	}
	if p.platforms != "" {
		args = append(args, "--platform", p.platforms)
	}
	return args
}

// tag names the tree's content, so that a changed tree rolls what it changed and
// an unchanged one rolls nothing.
func (p *platform) tag(ctx context.Context) (string, error) {
	head, err := p.quiet(ctx, "git", "rev-parse", "--short=12", "HEAD")
	if err != nil {
		return "", err
	}
	tag := strings.TrimSpace(head)
	diff, err := p.quiet(ctx, "git", "diff", "HEAD")
	if err != nil {
		return "", err
	}
	untracked, err := p.quiet(ctx, "git", "ls-files", "--others", "--exclude-standard")
	if err != nil {
		return "", err
	}
	if diff == "" && untracked == "" {
		return tag, nil
	}
	sum := sha256.New()
	fmt.Fprint(sum, diff)
	for name := range strings.Lines(untracked) {
		name = strings.TrimSpace(name)
		content, err := os.ReadFile(filepath.Join(p.root, name))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%s %d\n%s", name, len(content), content)
	}
	return tag + "-" + hex.EncodeToString(sum.Sum(nil))[:8], nil
}

// byName finds the reference whose repository ends in name.
func byName(references []string, name string) string {
	for _, r := range references {
		if repository, _ := split(r); repository[strings.LastIndex(repository, "/")+1:] == name {
			return r
		}
	}
	return ""
}

// split parts a reference into repository and tag.
func split(reference string) (repository, tag string) {
	i := strings.LastIndex(reference, ":")
	return reference[:i], reference[i+1:]
}
