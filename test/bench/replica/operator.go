package replica

import (
	"context"
	"fmt"
	"os"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/test/bench/process"
)

const (
	operatorProgram = "bin/operator"
	rights          = "config/rbac/role.yaml"
	// operatorUser is a service account's name: the API server gives those a share of
	// their own of what it does at once.
	operatorUser  = "system:serviceaccount:" + Namespace + ":operator"
	accountsGroup = "system:serviceaccounts"
)

// Operator is a running operator, which runs desktops on Deployments.
type Operator struct {
	*process.Process
	// Metrics is where its metrics are; host and port.
	Metrics string
}

// Operator starts one with env besides its environment, and returns when it is ready.
func (w *World) Operator(ctx context.Context, env ...string) (*Operator, error) {
	if err := w.grant(ctx); err != nil {
		return nil, fmt.Errorf("the operator's rights: %w", err)
	}
	cfg := config.Default()
	cfg.URL, cfg.Knative.Enabled, cfg.Installation.Namespace = sessions, false, Namespace
	raw, err := yaml.Marshal(cfg)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(w.path("operator.yaml"), raw, 0o600); err != nil {
		return nil, err
	}
	var at [2]string
	for i := range at {
		if at[i], err = FreeAddress(); err != nil {
			return nil, err
		}
	}
	p, err := process.Start(ctx, append(env, "KUBECONFIG="+w.path("operator.kubeconfig")), operatorProgram,
		"--config", w.path("operator.yaml"), "--metrics-bind-address", at[0], "--health-probe-bind-address", at[1])
	if err != nil {
		return nil, err
	}
	if err := Await(ctx, "the operator", func() error { return answers("http://" + at[1] + "/readyz") }); err != nil {
		return nil, fmt.Errorf("the operator is not ready: %w\n%s", err, p.End())
	}
	return &Operator{Process: p, Metrics: at[0]}, nil
}

// grant makes a user with the operator's rights as they are generated.
func (w *World) grant(ctx context.Context) error {
	raw, err := os.ReadFile(rights)
	if err != nil {
		return err
	}
	role := &rbacv1.ClusterRole{}
	if err := yaml.UnmarshalStrict(raw, role); err != nil {
		return fmt.Errorf("%s: %w", rights, err)
	}
	if err := w.client.Create(ctx, role); err != nil {
		return err
	}
	err = w.client.Create(ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: operatorUser}}})
	if err != nil {
		return err
	}
	user, err := w.env.AddUser(envtest.User{Name: operatorUser, Groups: []string{accountsGroup}}, nil)
	if err != nil {
		return err
	}
	kubeconfig, err := user.KubeConfig()
	if err != nil {
		return err
	}
	return os.WriteFile(w.path("operator.kubeconfig"), kubeconfig, 0o600)
}
