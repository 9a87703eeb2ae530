//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/eventually"
)

// apart are the namespaces of installations of their own: the controllers that all
// other tests share look at every namespace but these.
var apart = []string{"plain", "edited", "finishing", "changing", "mine", "theirs", "nobodys", "tried", "listened", "claims-a", "claims-b", "shared",
	"lost", "lostdeleted", "lagging", "leaving", "staying", "returning", "remaining", "nowhere", "keyed", "prepulled", "warmplain", "warmrace", "warmtwice",
	"warmkilled", unserved}

// stopWithin bounds how long an operator takes to end.
const stopWithin = 30 * time.Second

// programFolder goes when the tests end.
var programFolder string

// program is the operator itself, built once.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "vdi-operator")
	if err != nil {
		return "", err
	}
	programFolder = dir
	path := filepath.Join(dir, "operator")
	out, err := exec.Command("go", "build", "-o", path, "github.com/org/vdi-operator/cmd/operator").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the operator: %w: %s", err, out)
	}
	return path, nil
})

// operatorProgram is one operator, run as its program with rights in its own namespaces
// only.
type operatorProgram struct {
	t          *testing.T
	namespaces []string
	kubeconfig string
	dir        string
	// more is configuration besides what all have.
	more string
	// probes and metrics are its addresses.
	probes, metrics string

	end func()
	// ended is closed when the program has ended with code by itself or by end.
	ended <-chan struct{}
	code  int
}

// install makes an installation's namespaces and rights in the cluster of env.
func install(t *testing.T, env *envtest.Environment, c client.Client, namespaces ...string) *operatorProgram {
	t.Helper()
	i := &operatorProgram{t: t, namespaces: namespaces, dir: t.TempDir(), end: func() {}}
	for _, name := range namespaces {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		require.NoError(t, client.IgnoreAlreadyExists(c.Create(t.Context(), ns)))
	}
	user := userOf(namespaces)
	grant(t, c, user, namespaces)
	authenticated, err := env.AddUser(envtest.User{Name: user}, nil)
	require.NoError(t, err)
	kubeconfig, err := authenticated.KubeConfig()
	require.NoError(t, err)
	i.kubeconfig = i.file("kubeconfig", kubeconfig)
	t.Cleanup(func() { i.stop() })
	return i
}

// userOf is whom the operator of an installation with these namespaces is to the API server.
func userOf(namespaces []string) string { return "operator-of-" + strings.Join(namespaces, "-") }

// grant gives a user the operator's rights as they are generated: on namespaced kinds
// in these namespaces, and cluster-wide on templates alone. In the first, which is its own, it
// may make its keys, whatever becomes of the rest.
func grant(t *testing.T, c client.Client, user string, namespaces []string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "config", "rbac", "role.yaml"))
	require.NoError(t, err)
	role := &rbacv1.ClusterRole{}
	require.NoError(t, yaml.UnmarshalStrict(raw, role))
	subject := []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user}}
	templates := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: user}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"vdi.kasm.io"}, Resources: []string{"vditemplates"}, Verbs: []string{"get", "list", "watch"}},
		{APIGroups: []string{"vdi.kasm.io"}, Resources: []string{"vditemplates/status"}, Verbs: []string{"patch"}},
	}}
	require.NoError(t, c.Create(t.Context(), templates))
	require.NoError(t, c.Create(t.Context(), &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: user},
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: user}, Subjects: subject}))
	keys := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: namespaces[0], Name: user + "-keys"},
		Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get", "create", "update"}}}}
	require.NoError(t, c.Create(t.Context(), keys))
	binding := bindingOf(user, namespaces[0])
	binding.Name, binding.RoleRef.Name = keys.Name, keys.Name
	require.NoError(t, c.Create(t.Context(), binding))
	for _, ns := range namespaces {
		require.NoError(t, c.Create(t.Context(), &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: user}, Rules: role.Rules}))
		require.NoError(t, c.Create(t.Context(), bindingOf(user, ns)))
	}
}

// bindingOf is what gives a user its Role in a namespace.
func bindingOf(user, namespace string) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: user},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: user},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user}}}
}

func (i *operatorProgram) file(name string, content []byte) string {
	i.t.Helper()
	path := filepath.Join(i.dir, name)
	require.NoError(i.t, os.WriteFile(path, content, 0o600))
	return path
}

// run starts the operator, in place of the one that ran, and waits until it is ready.
func (i *operatorProgram) run(knative bool) {
	i.t.Helper()
	i.begin(knative)
	eventually.NoError(i.t, "the operator to be ready", i.ready)
}

func (i *operatorProgram) ready() error {
	_, err := fetch("http://" + i.probes + "/readyz")
	return err
}

// unready is nil once the operator says that it is not ready, and why.
func (i *operatorProgram) unready(says ...string) func() error {
	return func() error {
		resp, err := http.Get("http://" + i.probes + "/readyz")
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		for _, say := range says {
			if err == nil && (resp.StatusCode == http.StatusOK || !strings.Contains(string(text), say)) {
				err = fmt.Errorf("%s: %s", resp.Status, text)
			}
		}
		return err
	}
}

// begin is run without the wait.
func (i *operatorProgram) begin(knative bool) {
	i.t.Helper()
	i.stop()
	operator, err := program()
	require.NoError(i.t, err)
	// What sets Knative's configuration has tests of its own, and would need rights there.
	config := i.file("config.yaml", fmt.Appendf(nil, "%sinstallation: {namespace: %s}\nknative: {enabled: %t, applyConfig: false}\nnamespaces: [%s]\n%s",
		leastConfiguration, i.namespaces[0], knative, strings.Join(i.namespaces, ", "), i.more))
	i.probes, i.metrics = freeAddress(i.t), freeAddress(i.t)
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, operator, "--config", config,
		"--health-probe-bind-address", i.probes, "--metrics-bind-address", i.metrics)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+i.kubeconfig)
	log, err := os.Create(filepath.Join(i.dir, "operator.log"))
	require.NoError(i.t, err)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopWithin
	require.NoError(i.t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
		i.code = cmd.ProcessState.ExitCode()
		_ = log.Close()
	}()
	i.ended = ended
	i.end = func() {
		cancel()
		<-ended
		if text, err := os.ReadFile(log.Name()); err == nil && i.t.Failed() {
			i.t.Logf("the operator of %v:\n%s", i.namespaces, text)
		}
	}
}

// awaitEnd waits until the program has ended by itself, as it does to be started anew.
func (i *operatorProgram) awaitEnd() {
	i.t.Helper()
	eventually.True(i.t, "the operator to end", func() bool {
		select {
		case <-i.ended:
			return true
		default:
			return false
		}
	})
	require.Zero(i.t, i.code, "exit code")
}

// stop ends the operator, if it runs.
func (i *operatorProgram) stop() {
	i.end()
	i.end = func() {}
}

// sessions is what the operator's metric says of how many sessions there are.
func (i *operatorProgram) sessions() (int, error) {
	text, err := fetch("http://" + i.metrics + "/metrics")
	if err != nil {
		return 0, err
	}
	sum := 0
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "vdi_sessions{") {
			continue
		}
		var n int
		if _, err := fmt.Sscan(line[strings.LastIndex(line, " "):], &n); err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// condition is what the operator's metric says of a condition of its installation.
func (i *operatorProgram) condition(name, want string) func() error {
	return func() error {
		text, err := fetch("http://" + i.metrics + "/metrics")
		if err != nil {
			return err
		}
		if line := fmt.Sprintf("vdi_operator_condition{type=%q} %s\n", name, want); !strings.Contains(text, line) {
			return fmt.Errorf("no %q", line)
		}
		return nil
	}
}

func fetch(url string) (string, error) {
	resp, err := http.Get(url)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	return string(text), err
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
