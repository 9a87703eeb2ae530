package harness

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/org/vdi-operator/test/docs"
	"github.com/org/vdi-operator/test/helm"
)

const (
	// pagesRegistry is the registry in the pages' commands.
	pagesRegistry = "registry.example.com"
	// ReleaseVersion is the version in the pages' commands.
	ReleaseVersion = "0.3.0"
)

// Stranger is somebody who has an empty folder, a registry without TLS, the tools that the pages
// ask for, and a clone of this tree, which is ready to be released as ReleaseVersion. What the
// stranger types is what the pages say.
type Stranger struct {
	// Clone is the clone's folder.
	Clone string
	// Registry is the registry's host and port.
	Registry string
	// programs is the folder that is first on PATH, and environment has the rest.
	programs    string
	environment []string
	// ended is closed with the registry's end.
	ended <-chan struct{}
}

// Stranger makes one, in an empty folder. The registry ends with ctx: Wait waits until it has.
func (in *Installation) Stranger(ctx context.Context, folder string) (*Stranger, error) {
	if in.PortForward {
		return nil, ErrNotOurs
	}
	s := &Stranger{Clone: filepath.Join(folder, "vdi-operator"), programs: filepath.Join(folder, "bin")}
	if err := s.tools(ctx, in); err != nil {
		return nil, err
	}
	var err error
	if s.Registry, s.ended, err = startRegistry(ctx, filepath.Join(folder, "registry")); err != nil {
		return s, err
	}
	return s, s.clone(ctx, in.Root, folder)
}

// Wait waits until the registry has ended.
func (s *Stranger) Wait() {
	if s != nil && s.ended != nil {
		<-s.ended
	}
}

// tools puts Helm and kubectl on the PATH, and takes away what make has told its own programs.
func (s *Stranger) tools(ctx context.Context, in *Installation) error {
	helm, err := helm.Program()
	if err != nil {
		return err
	}
	kubectl, err := in.Kubectl(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.programs, 0o755); err != nil {
		return err
	}
	for name, program := range map[string]string{"helm": helm, "kubectl": kubectl} {
		if err := os.Symlink(program, filepath.Join(s.programs, name)); err != nil {
			return err
		}
	}
	told := []string{"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "BUILT", "GOGC", "KUBECONFIG", "VDI_REGISTRY", "REGISTRY", "INSECURE", "PLATFORMS", "PLUGIN_PLATFORMS", "COSIGN_KEY"}
	s.environment = slices.DeleteFunc(os.Environ(), func(setting string) bool {
		name, _, _ := strings.Cut(setting, "=")
		return slices.Contains(told, name)
	})
	here := "linux/" + runtime.GOARCH
	s.environment = append(s.environment, "PATH="+s.programs+string(os.PathListSeparator)+os.Getenv("PATH"), "KUBECONFIG="+in.Kubeconfig,
		// Other platforms' take minutes to compile.
		"INSECURE=true", "PLATFORMS="+here, "PLUGIN_PLATFORMS="+here)
	return nil
}

// clone lays out the tree as it is, changes included, as a commit with the tag of a release.
func (s *Stranger) clone(ctx context.Context, root, folder string) error {
	const script = `set -euo pipefail
export GIT_INDEX_FILE="$1/index"
git read-tree HEAD
git add --all
tree=$(git write-tree)
unset GIT_INDEX_FILE
mkdir "$2"
git archive "$tree" | tar -x -C "$2"
cd "$2"
version=$(sed -n 's/^version: //p' charts/vdi-operator/Chart.yaml)
# As docs/releases.md says.
sed -i "s/\b$version\b/$3/" charts/vdi-operator/Chart.yaml charts/vdi-operator/charts/coturn/Chart.yaml
sed -i "s/^## \[$version\] - .*/## [$3] - 2026-12-01/" docs/changelog.md
git init --quiet
git add --all
git -c user.name=stranger -c user.email=stranger@example.com commit --quiet --message "Release $3"
git tag "v$3"`
	return run(ctx, root, "bash", "-c", script, "clone", folder, s.Clone, ReleaseVersion)
}

// InstallPlugin takes the plugin out of the release's archive.
func (s *Stranger) InstallPlugin(ctx context.Context) (program string, err error) {
	archive := fmt.Sprintf("kubectl-vdi_v%s_linux_%s.tar.gz", ReleaseVersion, runtime.GOARCH)
	const plugin = "kubectl-vdi"
	err = run(ctx, s.Released(), "tar", "-xzf", archive, "-C", s.programs, plugin)
	return filepath.Join(s.programs, plugin), err
}

// Released is the folder with all that the release has.
func (s *Stranger) Released() string {
	return filepath.Join(s.Clone, "out", "release", "v"+ReleaseVersion)
}

// Reads returns the command of a page that begins so, with the stranger's registry.
func (s *Stranger) Reads(page, begin string) (string, error) {
	pages, err := docs.Pages(s.Clone)
	if err != nil {
		return "", err
	}
	for _, p := range pages {
		if p.Path != page {
			continue
		}
		for _, command := range p.Commands() {
			if strings.HasPrefix(command, begin) {
				return strings.ReplaceAll(command, pagesRegistry, s.Registry), nil
			}
		}
	}
	return "", fmt.Errorf("%s has no command that begins with %q", page, begin)
}

// Types runs a command, in the clone, and returns what it printed.
func (s *Stranger) Types(ctx context.Context, command string) (string, error) {
	out, err := output(ctx, s.Clone, s.environment, "bash", "-o", "pipefail", "-c", command)
	if err != nil {
		return out, fmt.Errorf("%s: %w", command, err)
	}
	return out, nil
}

// Follows types the command of a page that begins so, with further arguments.
func (s *Stranger) Follows(ctx context.Context, page, begin string, more ...string) (string, error) {
	command, err := s.Reads(page, begin)
	if err != nil {
		return "", err
	}
	return s.Types(ctx, strings.Join(append([]string{command}, more...), " "))
}
