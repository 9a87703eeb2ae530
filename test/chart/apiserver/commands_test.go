//go:build integration

package apiserver

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/test/docs"
	"github.com/org/vdi-operator/test/helm"
)

const (
	// scriptPatience is for one script of a page.
	scriptPatience = time.Minute
	// kubectlScript passes commands on. What would change something does not, but the API server
	// says whether it would; what needs a kubelet gets as far as to it.
	kubectlScript = `#!/bin/bash
skip=
for word in "$@"; do
	case $skip$word in
	-n | --namespace) skip=- ;;
	-*) skip= ;;
	*) verb=$word; break ;;
	esac
done
case $verb in
vdi)
	case $2 in create | drain | logs | open | out-of-service | restore | share | sleep | wake) exec %[1]s "$@" --help ;; esac
	exec %[1]s "$@" ;;
create)
	said=$(%[1]s "$@" --dry-run=server 2>&1) && echo "$said" && exit
	echo "$said" >&2
	[[ $said == *AlreadyExists* ]] ;;
wait)
	[[ $* == *--for=delete* ]] || exec %[1]s "$@"
	said=$(%[1]s "$@" --timeout=1s 2>&1) || [[ $said == *"timed out waiting"* ]] || { echo "$said" >&2; exit 1; } ;;
annotate | apply | cordon | delete | drain | label | patch | scale) exec %[1]s "$@" --dry-run=server ;;
logs | port-forward)
	said=$(%[1]s "$@" 2>&1) || [[ $said == *"connection refused"* ]] || { echo "$said" >&2; exit 1; }
	echo '{"level":"WARN","msg":"what holds for sessions has changed"}'
	echo '{"audit":"v1","event":"sleep"}' ;;
*) exec %[1]s "$@" ;;
esac
`
	// helmScript likewise. How the chart is rendered, test/chart tests; helm test runs in a cluster.
	helmScript = `#!/bin/bash
case $1 in
install | package | upgrade) ;;
template) echo '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"rendered","namespace":"default"}}' ;;
test) exec %[1]s get hooks "$2" "${@:3:2}" ;;
rollback | uninstall) exec %[1]s "$@" --dry-run ;;
*) exec %[1]s "$@" ;;
esac
`
)

// placeholders are what the reader's words are here.
var placeholders = map[string]string{"NAME": "ada", "SESSION": "ada", "NAMESPACE": "default", "NODE": "node", "POD": "ada-1",
	"TEMPLATE": "selkies", "REVISION": "1", "GROUP": "artists"}

// shell runs scripts as an administrator of the API server does, in a folder with the
// repository's.
type shell struct {
	folder string
	env    []string
}

func newShell(t *testing.T, r helm.Release) shell {
	t.Helper()
	s := shell{folder: t.TempDir()}
	bin := t.TempDir()
	program := func(name, text string, args ...any) {
		require.NoError(t, os.WriteFile(filepath.Join(bin, name), fmt.Appendf(nil, text, args...), 0o755))
	}
	helmProgram, err := helm.Program()
	require.NoError(t, err)
	program("kubectl", kubectlScript, filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"))
	program("helm", helmScript, helmProgram)
	program("gpg", "#!/bin/sh\ncat\n")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(bin, "kubectl-vdi"), "./cmd/kubectl-vdi")
	build.Dir = root
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, folder := range []string{"charts", "config"} {
		require.NoError(t, os.Symlink(filepath.Join(root, folder), filepath.Join(s.folder, folder)))
	}
	s.env = append(os.Environ(), "KUBECONFIG="+r.Kubeconfig, "PATH="+bin+":"+os.Getenv("PATH"))
	return s
}

func (s shell) run(ctx context.Context, script string) error {
	ctx, cancel := context.WithTimeout(ctx, scriptPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-e")
	cmd.Dir, cmd.Env, cmd.Stdin = s.folder, s.env, strings.NewReader(script)
	out, err := cmd.CombinedOutput()
	// A shell that waits for the end of a here-document says so and goes on.
	if err == nil && strings.Contains(string(out), "delimited by end-of-file") {
		err = context.DeadlineExceeded
	}
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return err
}

func TestWhatPeopleAreToldToTypeWorks(t *testing.T) {
	r := administered(t)
	s := newShell(t, r)
	t.Run("on the pages", func(t *testing.T) { runPages(t, s) })
	t.Run("in the chart's notes, as they are printed", func(t *testing.T) { runNotes(t, s, r) })
	t.Run("in messages", func(t *testing.T) { runMessages(t, s) })
}

func runPages(t *testing.T, s shell) {
	pages, err := docs.Pages(root)
	require.NoError(t, err)
	ran := map[string]bool{} // scripts; many a page tells the same
	for _, page := range pages {
		if strings.HasPrefix(page.Path, "test/") {
			continue
		}
		for _, script := range page.Scripts() {
			if ran[script.Text] {
				continue
			}
			ran[script.Text] = true
			assert.NoError(t, s.run(t.Context(), docs.Fill(script.Text, placeholders)), "%s:%d: %s", script.Page, script.Line, script.Text)
		}
	}
	assert.GreaterOrEqual(t, len(ran), 60, "scripts: they are not found")
}

func runNotes(t *testing.T, s shell, r helm.Release) {
	for _, revision := range []string{"1", "2"} {
		notes, err := r.Helm(t.Context(), "get", "notes", r.Name, "--revision", revision)
		require.NoError(t, err)
		scripts := docs.Printed(notes)
		assert.GreaterOrEqual(t, len(scripts), 6, "commands are not found in\n%s", notes)
		for _, script := range scripts {
			assert.NoError(t, s.run(t.Context(), script), "revision %s: %q", revision, script)
		}
	}
}

// formatted is a verb of fmt, which is somebody's name in the message.
var formatted = regexp.MustCompile(`%(\[\d+\])?[svq]`)

// Whatever a message names need not be there: the command has to be one.
func runMessages(t *testing.T, s shell) {
	messages, err := docs.Messages(root)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, len(messages), 12, "commands of messages are not found: %q", messages)
	for _, m := range messages {
		command := docs.Fill(formatted.ReplaceAllString(m.Text, "some-name"), placeholders)
		if strings.HasPrefix(command, "kubectl vdi") || strings.HasPrefix(command, "kubectl explain") {
			command += " --help"
		}
		if strings.Contains(command, "knativeserving") {
			continue // of the Knative Operator, which is not here
		}
		if err := s.run(t.Context(), command); err != nil && !strings.Contains(strings.ToLower(err.Error()), "not found") {
			t.Errorf("%s: %q: %v", m.Page, m.Text, err)
		}
	}
}
