package monitoring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"
)

const (
	// program is where Debian's package puts it.
	program = "/usr/bin/prometheus"
	// scrapeInterval makes rates known soon; no figure is taken from it.
	scrapeInterval = "1s"
	// discoverInterval is how soon it knows what has come and gone.
	discoverInterval = time.Second
)

// Prometheus is a real one, on this machine.
type Prometheus struct {
	promv1.API

	log   *syncBuffer
	ended chan error
}

// Start runs a Prometheus with the chart's monitors and rules until ctx ends; it keeps its
// files in dir. It scrapes what is in the cluster, at its own addresses, and follows what
// comes and goes.
func Start(ctx context.Context, c Chart, cluster kubernetes.Interface, dir string) (*Prometheus, error) {
	if _, err := os.Stat(program); err != nil {
		return nil, fmt.Errorf("%w: install it with make prometheus", err)
	}
	if err := discover(ctx, cluster, dir); err != nil {
		return nil, fmt.Errorf("finding what can be scraped: %w", err)
	}
	rules, err := yaml.Marshal(c.Rules)
	if err != nil {
		return nil, err
	}
	config, err := c.configuration(scrapeInterval, "rules.yaml")
	if err != nil {
		return nil, err
	}
	for name, content := range map[string][]byte{"prometheus.yaml": config, "rules.yaml": rules} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return nil, err
		}
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	p := &Prometheus{log: &syncBuffer{}, ended: make(chan error, 1)}
	cmd := exec.CommandContext(ctx, program, "--config.file="+filepath.Join(dir, "prometheus.yaml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address, "--log.level=warn")
	cmd.Stdout, cmd.Stderr = p.log, p.log
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting Prometheus: %w", err)
	}
	go func() {
		// One that fails leaves the targets as they are until the next.
		wait.UntilWithContext(ctx, func(ctx context.Context) { _ = discover(ctx, cluster, dir) }, discoverInterval)
		p.ended <- cmd.Wait()
	}()
	client, err := api.NewClient(api.Config{Address: "http://" + address})
	if err != nil {
		return nil, err
	}
	p.API = promv1.NewAPI(client)
	return p, nil
}

// Wait returns when it has ended; call it once, after ctx.
func (p *Prometheus) Wait() { <-p.ended }

// Log is what it has said; nothing, if all is well.
func (p *Prometheus) Log() string { return p.log.String() }

// Vector asks for an expression's value now. Nothing is an error.
func (p *Prometheus) Vector(ctx context.Context, expr string) (model.Vector, error) {
	value, _, _, err := p.Query(ctx, expr, time.Now())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", expr, err)
	}
	vector, ok := value.(model.Vector)
	switch {
	case !ok:
		return nil, fmt.Errorf("%s is a %s, want a vector", expr, value.Type())
	case len(vector) == 0:
		return nil, fmt.Errorf("%s: %w", expr, ErrNoData)
	}
	return vector, nil
}

// ErrNoData says that an expression has no value.
var ErrNoData = errors.New("no data")

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}

// syncBuffer is written by a program while it is read.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
