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
	// OperatorUser is who an operator is: a service account's name, for the API server gives
	// those a share of their own of what it does at once.
	OperatorUser  = "system:serviceaccount:" + Namespace + ":operator"
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
	return w.RunOperator(ctx, Run{Env: env})
}

// RunOperator is Operator for who wants more of it. All have one configuration file.
func (w *World) RunOperator(ctx context.Context, r Run) (*Operator, error) {
	if err := w.grant(ctx); err != nil {
		return nil, fmt.Errorf("the operator's rights: %w", err)
	}
	if err := w.ConfigureOperator(r.Change); err != nil {
		return nil, err
	}
	var at [2]string
	for i := range at {
		var err error
		if at[i], err = FreeAddress(); err != nil {
			return nil, err
		}
	}
	args := []string{"--config", w.path("operator.yaml"), "--metrics-bind-address", at[0], "--health-probe-bind-address", at[1]}
	p, err := process.StartTo(ctx, r.Log, append(r.Env, "KUBECONFIG="+w.path("operator.kubeconfig")), operatorProgram, append(args, r.Args...)...)
	if err != nil {
		return nil, err
	}
	if err := awaitReady(ctx, p, "the operator", func() error { return answers("http://" + at[1] + "/readyz") }); err != nil {
		return nil, fmt.Errorf("the operator is not ready: %w\n%s", err, p.End())
	}
	return &Operator{Process: p, Metrics: at[0]}, nil
}

// ConfigureOperator writes the operators' configuration, which those that run read again.
func (w *World) ConfigureOperator(change func(*config.Config)) error {
	cfg := base()
	cfg.Knative.Enabled = false
	Run{Change: change}.change(&cfg)
	raw, err := yaml.Marshal(cfg)
	if err != nil {
		return err
	}
	return os.WriteFile(w.path("operator.yaml"), raw, 0o600)
}

// grant makes a user with the operator's rights as they are generated, once.
func (w *World) grant(ctx context.Context) error {
	if w.operators {
		return nil
	}
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
		Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: OperatorUser}}})
	if err != nil {
		return err
	}
	user, err := w.env.AddUser(envtest.User{Name: OperatorUser, Groups: []string{accountsGroup}}, nil)
	if err != nil {
		return err
	}
	kubeconfig, err := user.KubeConfig()
	if err != nil {
		return err
	}
	w.operators = true
	return os.WriteFile(w.path("operator.kubeconfig"), kubeconfig, 0o600)
}
