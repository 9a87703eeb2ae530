package image

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// base is what every root filesystem has, as mmdebstrap's variant minbase: apt's patterns.
var base = []string{"?essential", "?priority(required)", "apt"}

// download fetches the packages for an architecture with all that they need, below dir,
// and returns the files in the order of their names. Nothing is installed.
func (b Builder) download(ctx context.Context, host aptHost, arch string, packages []string, dir string) ([]string, error) {
	config, err := aptRoot(host, arch, dir)
	if err != nil {
		return nil, err
	}
	install := slices.Concat([]string{"install", "--download-only", "--yes"}, base, packages)
	for _, args := range [][]string{{"update"}, install} {
		cmd := exec.CommandContext(ctx, "apt-get", append([]string{"--quiet=2"}, args...)...)
		cmd.Env = append(os.Environ(), "APT_CONFIG="+config, "DEBIAN_FRONTEND=noninteractive")
		cmd.Stdout, cmd.Stderr = b.Log, b.Log
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("apt-get %s for %s: %w: the mirror of this machine's apt must offer %s %s too", args[0], arch, err, host.suite, arch)
		}
	}
	debs, err := filepath.Glob(filepath.Join(dir, "cache", "archives", "*.deb"))
	return debs, err
}

// aptRoot makes a set-up of apt's for another architecture, in which nothing is installed
// and which knows the machine's mirror, and returns its configuration file.
func aptRoot(host aptHost, arch, dir string) (string, error) {
	for _, folder := range []string{"state/lists/partial", "cache/archives/partial", "etc/sources.list.d", "etc/apt.conf.d", "etc/preferences.d"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			return "", err
		}
	}
	config := filepath.Join(dir, "apt.conf")
	text := host.options + fmt.Sprintf(`Dir::State %q;
Dir::State::status %q;
Dir::Cache %q;
Dir::Etc %q;
Dir::Etc::Trusted "/etc/apt/trusted.gpg";
Dir::Etc::TrustedParts "/etc/apt/trusted.gpg.d";
APT::Architecture %q;
APT::Architectures { %q; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
`, filepath.Join(dir, "state"), filepath.Join(dir, "status"), filepath.Join(dir, "cache"), filepath.Join(dir, "etc"), arch, arch)
	for file, content := range map[string]string{config: text, filepath.Join(dir, "status"): "", filepath.Join(dir, "etc", "sources.list.d", "host.sources"): host.sources} {
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			return "", err
		}
	}
	return config, nil
}
