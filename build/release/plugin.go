package release

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/build/image"
)

// plugin's names: its program, and what kubectl and krew call it.
const (
	pluginProgram = "kubectl-vdi"
	pluginName    = "vdi"
	// completer is what kubectl asks for completions of the plugin's names.
	completer = "kubectl_complete-vdi"
)

// pluginPlatforms are where people run kubectl.
var pluginPlatforms = []image.Target{
	{OS: "linux", Arch: "amd64"}, {OS: "linux", Arch: "arm64"}, {OS: "darwin", Arch: "amd64"}, {OS: "darwin", Arch: "arm64"},
	{OS: "windows", Arch: "amd64"}, {OS: "windows", Arch: "arm64"},
}

// PluginTargets are what the plugin is built for on platforms such as linux/amd64.
func PluginTargets(platforms []string) (targets []image.Target, err error) {
	for _, p := range platforms {
		os, arch, _ := strings.Cut(p, "/")
		on := image.Target{OS: os, Arch: arch}
		if !slices.Contains(pluginPlatforms, on) {
			return nil, fmt.Errorf("platform %q: want one or more of %s, separated by commas", p, pluginPlatformNames())
		}
		targets = append(targets, on)
	}
	return targets, nil
}

// pluginPlatformNames are all platforms of the plugin, for people.
func pluginPlatformNames() string {
	var names []string
	for _, on := range pluginPlatforms {
		names = append(names, on.OS+"/"+on.Arch)
	}
	return strings.Join(names, ", ")
}

// compilers is how many run at a time; each uses several processors itself.
const compilers = 2

// plugin makes an archive for each platform, and the manifest by which krew installs them.
func (m *maker) plugin(ctx context.Context) error {
	scratch, done, err := m.Builder.Cache.Scratch("plugin")
	if err != nil {
		return err
	}
	defer done()
	targets := m.Kubectl
	if len(targets) == 0 {
		targets = pluginPlatforms
	}
	platforms := make([]krewPlatform, len(targets))
	var group errgroup.Group
	group.SetLimit(compilers)
	for i, on := range targets {
		group.Go(func() (err error) {
			platforms[i], err = m.pluginArchive(ctx, on, scratch)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	manifest, err := yaml.Marshal(krewManifest(m.Builder.Version, platforms))
	if err != nil {
		return err
	}
	return m.write(filepath.Join("plugins", pluginName+".yaml"), manifest)
}

func (m *maker) pluginArchive(ctx context.Context, on image.Target, scratch string) (krewPlatform, error) {
	on.Module, on.Package, on.LinkerFlags = ".", "./cmd/"+pluginProgram, image.LinkerFlags(m.Builder.Version, m.Builder.Revision)
	out := filepath.Join(scratch, on.OS+"-"+on.Arch)
	if err := m.Builder.Compile(ctx, on, out); err != nil {
		return krewPlatform{}, err
	}
	program, err := os.ReadFile(out)
	if err != nil {
		return krewPlatform{}, err
	}
	licence, err := os.ReadFile(filepath.Join(m.Builder.Root, "LICENSE"))
	if err != nil {
		return krewPlatform{}, err
	}
	completion, err := os.ReadFile(filepath.Join(m.Builder.Root, "cmd", pluginProgram, completer))
	if err != nil {
		return krewPlatform{}, err
	}
	bin, script, extension, archive := pluginProgram, completer, ".tar.gz", tarGz
	if on.OS == "windows" {
		bin, script, extension, archive = pluginProgram+".exe", completer+".cmd", ".zip", zipped
		completion = []byte("@" + pluginProgram + ".exe __complete %*\r\n")
	}
	raw, err := archive([]file{{bin, 0o755, program}, {script, 0o755, completion}, {"LICENSE", 0o644, licence}}, m.Builder.Created)
	if err != nil {
		return krewPlatform{}, err
	}
	name := strings.Join([]string{pluginProgram, m.Builder.Version, on.OS, on.Arch}, "_") + extension
	sum := sha256.Sum256(raw)
	return krewPlatform{
		Selector: map[string]any{"matchLabels": map[string]string{"os": on.OS, "arch": on.Arch}},
		URI:      fmt.Sprintf("%s/releases/download/%s/%s", image.Source, m.Builder.Version, name),
		SHA256:   hex.EncodeToString(sum[:]), Bin: bin,
	}, m.write(name, raw)
}

// krewPlatform is a platform in krew's manifest:
// https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest/.
type krewPlatform struct {
	Selector map[string]any `json:"selector"`
	URI      string         `json:"uri"`
	SHA256   string         `json:"sha256"`
	Bin      string         `json:"bin"`
}

func krewManifest(version string, platforms []krewPlatform) any {
	return map[string]any{
		"apiVersion": "krew.googlecontainertools.github.com/v1alpha2", "kind": "Plugin",
		"metadata": map[string]string{"name": pluginName},
		"spec": map[string]any{
			"version": version, "homepage": image.Source, "platforms": platforms,
			"shortDescription": "Give out desktops that sleep on Kubernetes",
			"description":      "Creates, opens, shares and explains desktops of VDI Operator, makes links\nto them, says how the installation is, drains nodes, backs up and restores.\n",
		},
	}
}
