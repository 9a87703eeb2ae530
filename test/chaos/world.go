package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/test/bench/census"
	"github.com/org/vdi-operator/test/bench/process"
	"github.com/org/vdi-operator/test/bench/replica"
)

const (
	// replicas of the operator and of the activator.
	replicas = 2
	// visitors are as many as a replica lets in.
	visitors = 500
	// controllers are those of Kubernetes' that a desktop's objects need.
	controllers = "deployment-controller,replicaset-controller,garbage-collector-controller,namespace-controller," +
		"disruption-controller,resourcequota-controller,persistentvolumeclaim-protection-controller"
)

// World is the cluster and the programs, which outlive the rounds.
type World struct {
	*replica.World
	Health *Health
	// Operators, Activators, API and Controllers are the programs.
	Operators, Activators []*Program
	API, Controllers      *Program
	// Logs is the folder with what they say.
	Logs string

	census *census.Census
	values values
}

// values is what the operators' configuration says of sessions.
type values struct {
	mu       sync.Mutex
	sessions config.Sessions
}

// Open starts everything. Call it in the repository's root; Close ends it, also after an error.
func Open(ctx context.Context) (*World, error) {
	w := &World{Health: NewHealth(), values: values{sessions: config.Default().Sessions}}
	var err error
	if w.Logs, err = os.MkdirTemp("", "vdi-chaos-"); err != nil {
		return w, err
	}
	if w.World, err = replica.Begin(ctx); err != nil {
		return w, err
	}
	if w.census, err = census.New(w.Config()); err != nil {
		return w, err
	}
	if err := w.prepare(ctx); err != nil {
		return w, err
	}
	if err := w.start(ctx); err != nil {
		return w, err
	}
	go w.Health.watchMachine(ctx)
	return w, nil
}

// Close ends everything that Open started, and keeps the logs where keep is true.
func (w *World) Close(keep bool) error {
	for _, p := range append(w.Programs(), w.API) {
		if p != nil {
			p.Stop()
		}
	}
	var err error
	if w.World != nil {
		err = w.End()
	}
	if !keep {
		err = errors.Join(err, os.RemoveAll(w.Logs))
	}
	return err
}

// Programs are all that steps kill and pause, but for the API server.
func (w *World) Programs() []*Program {
	return append(append([]*Program{w.Controllers}, w.Operators...), w.Activators...)
}

// prepare makes what the chart's Role gives in the installation's namespace, and the nodes.
func (w *World) prepare(ctx context.Context) error {
	objects := []client.Object{
		&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: replica.Namespace, Name: "operator"}, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"get", "list", "watch", "create", "update", "patch"}},
			{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get", "create", "patch"}},
			{APIGroups: []string{"", "events.k8s.io"}, Resources: []string{"events"}, Verbs: []string{"create", "patch"}}}},
		&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: replica.Namespace, Name: "operator"},
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "operator"},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: replica.OperatorUser}}},
	}
	for _, name := range nodeNames {
		objects = append(objects, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	for _, o := range objects {
		if err := w.Client().Create(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

func (w *World) start(ctx context.Context) error {
	if err := w.takeOverAPI(ctx); err != nil {
		return err
	}
	manager, err := controllerManager()
	if err != nil {
		return err
	}
	w.Controllers = w.program("kube-controller-manager", func(ctx context.Context, log *os.File) (*process.Process, string, error) {
		p, err := process.StartTo(ctx, log, nil, manager, "--kubeconfig", w.KubeConfig(), "--controllers", controllers,
			"--leader-elect=false", "--secure-port=0", "--kube-api-qps=500", "--kube-api-burst=1000", "--namespace-sync-period=10s")
		return p, "", err
	})
	for i := range replicas {
		w.Operators = append(w.Operators, w.program(fmt.Sprintf("operator-%d", i), func(ctx context.Context, log *os.File) (*process.Process, string, error) {
			o, err := w.RunOperator(ctx, replica.Run{Log: log, Change: w.values.set, Args: []string{"--leader-elect", "--leader-election-namespace", replica.Namespace}})
			if err != nil {
				return nil, "", err
			}
			return o.Process, o.Metrics, nil
		}))
		name := fmt.Sprintf("activator-%d", i)
		w.Activators = append(w.Activators, w.program(name, func(ctx context.Context, log *os.File) (*process.Process, string, error) {
			a, err := w.RunActivator(ctx, replica.Roomy(visitors), replica.Run{Log: log, Args: []string{"--pod-name", name}})
			if err != nil {
				return nil, "", err
			}
			return a.Process, a.Address + " " + a.Metrics, nil
		}))
	}
	for _, p := range w.Programs() {
		if err := p.Start(ctx); err != nil {
			return err
		}
	}
	return replica.Await(ctx, "the operators to hear the activators", func() error { return w.heard(ctx) })
}

// heard says whether every operator hears every activator: otherwise no desktop falls asleep for
// lack of use, and that none does while it is in use says nothing.
func (w *World) heard(ctx context.Context) error {
	for _, p := range w.Operators {
		if n, err := gauge(ctx, p, "vdi_activators_listening"); err != nil || n != replicas {
			return errors.Join(err, fmt.Errorf("%s hears %d activators, want %d", p.Name, n, replicas))
		}
	}
	return nil
}

// program is one that writes its log to a file of its name.
func (w *World) program(name string, start func(context.Context, *os.File) (*process.Process, string, error)) *Program {
	return &Program{Name: name, health: w.Health, start: func(ctx context.Context) (*process.Process, string, error) {
		log, err := os.OpenFile(filepath.Join(w.Logs, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, "", err
		}
		defer func() { _ = log.Close() }() // the program has a descriptor of its own
		return start(ctx, log)
	}}
}

// controllerManager is beside the API server, which the assets lead to.
func controllerManager() (string, error) {
	server, err := filepath.EvalSymlinks(filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kube-apiserver"))
	if err != nil {
		return "", fmt.Errorf("KUBEBUILDER_ASSETS: %w: run it by make", err)
	}
	path := filepath.Join(filepath.Dir(server), "kube-controller-manager")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("a kube-controller-manager has to be beside the API server: %w: run it by make", err)
	}
	return path, nil
}

// Configure changes what the operators' configuration says of sessions, as helm upgrade does.
func (w *World) Configure(change func(*config.Sessions)) error {
	w.values.mu.Lock()
	change(&w.values.sessions)
	w.values.mu.Unlock()
	return w.ConfigureOperator(w.values.set)
}

func (v *values) set(cfg *config.Config) {
	v.mu.Lock()
	defer v.mu.Unlock()
	cfg.Sessions = v.sessions
}

// AwaitWell waits until every program runs and the API server answers.
func (w *World) AwaitWell(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for _, p := range append(w.Programs(), w.API) {
		if err := p.AwaitWell(ctx); err != nil {
			return err
		}
	}
	return nil
}
