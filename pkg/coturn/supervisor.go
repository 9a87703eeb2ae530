// Package coturn runs Debian's turnserver as a container's first process and adds what
// it lacks: an orderly end, a secret that is rotated and a certificate that is renewed
// without cutting anybody's media, metrics, and the finding of the public address.
//
// It knows turnserver 4.6.1 by its configuration, its user database, its signals and its
// log. It knows nothing of sessions, and writes to no API.
package coturn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/org/vdi-operator/pkg/metrics"
)

const (
	// endTimeout is how long turnserver may take to end after its signal.
	endTimeout = 3 * time.Second
	// answerEvery is how often turnserver is asked whether it answers, and startEvery how
	// often until it does for the first time.
	answerEvery = 5 * time.Second
	startEvery  = 100 * time.Millisecond
	// findRetry is the pause after the public address was not found.
	findRetry = 5 * time.Second
)

// Options are a supervisor's surroundings.
type Options struct {
	Config Config
	// Address is the one that turnserver listens on and relays from.
	Address netip.Addr
	// NodeName is for the modes that read the Node.
	NodeName string
	// Secret is the file with the shared secret, Certificate the folder with tls.crt and
	// tls.key where the configuration has a TLS port.
	Secret, Certificate string
	// Folder, in memory, is for what turnserver reads and writes.
	Folder string
	// Turnserver and SQLite are the programs; Proc is the kernel's folder of that name.
	Turnserver, SQLite, Proc string
	// Listen is where metrics and health are served.
	Listen string
	// Grace is how long open allocations may go on once Run's context ends.
	Grace time.Duration
	Log   *slog.Logger
}

// Supervisor runs one turnserver.
type Supervisor struct {
	Options
	files    files
	registry *prometheus.Registry
	metrics  *metrics.TURN
	live     *allocations
	nodes    nodeReader

	waits    atomic.Pointer[string]     // what the start waits for
	external atomic.Pointer[netip.Addr] // how clients reach the server, once that is known
	running  atomic.Bool                // turnserver was started
	answers  atomic.Bool                // turnserver answered when it was asked last
	stopping atomic.Bool
}

// New prepares a supervisor.
func New(o Options) (*Supervisor, error) {
	version, err := exec.Command(o.Turnserver, "--version").Output()
	if err != nil {
		return nil, fmt.Errorf("run turnserver: %w", err)
	}
	s := &Supervisor{Options: o, files: files{o.Folder}, registry: prometheus.NewRegistry(), live: newAllocations(), nodes: readNode}
	s.metrics = metrics.NewTURN(s.registry, metrics.TURNState{
		Allocations: func() float64 { n, _ := s.live.count(); return float64(n) },
		Ports:       func() float64 { return float64(o.Config.Relay.Size()) },
		PortsUsed: func() float64 {
			n, err := portsUsed(o.Proc, o.Config.Relay)
			if err != nil {
				o.Log.Warn("the relay ports in use cannot be counted", "error", err)
			}
			return float64(n)
		},
		Version: strings.Fields(string(version) + " unknown")[0],
		TLS:     o.Config.TLSPort != 0,
	})
	s.waitsFor("the start")
	return s, nil
}

func (s *Supervisor) waitsFor(what string) { s.waits.Store(&what) }

// Run runs turnserver until ctx ends and the open allocations have, within the grace. An
// error says that turnserver could not be started, or ended by itself.
func (s *Supervisor) Run(ctx context.Context) error {
	listener, err := net.Listen("tcp", s.Listen)
	if err != nil {
		return fmt.Errorf("listen for metrics and health: %w", err)
	}
	web := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: endTimeout}
	go func() { _ = web.Serve(listener) }()
	defer func() { _ = web.Close() }()

	external, err := s.find(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil // ended before there was anything to run
		}
		return err
	}
	keep := &secrets{path: s.Secret, overlap: s.Config.SecretOverlap.Duration,
		write:   database{path: s.files.database(), program: s.SQLite, realm: s.Config.Realm}.write,
		changed: s.metrics.SecretChanged, log: s.Log}
	if err := keep.begin(ctx); err != nil {
		return err
	}
	var cert *certificate
	if s.Config.TLSPort != 0 {
		cert = &certificate{folder: s.Certificate, files: s.files, metrics: s.metrics, log: s.Log}
		if err := cert.begin(); err != nil {
			return err
		}
	}
	conf, err := turnserverConf(s.Config, s.Address, external, s.files)
	if err != nil {
		return err
	}
	if err := writeFile(s.files.conf(), []byte(conf)); err != nil {
		return fmt.Errorf("write turnserver's configuration: %w", err)
	}
	server, err := s.start()
	if err != nil {
		return err
	}

	// The watches go on while the server drains.
	alive, stop := context.WithCancel(context.WithoutCancel(ctx))
	var work sync.WaitGroup
	defer work.Wait()
	defer stop()
	work.Go(func() { wait.UntilWithContext(alive, keep.check, checkEvery) })
	if cert != nil {
		cert.reload = server.reload
		work.Go(func() { wait.UntilWithContext(alive, cert.check, checkEvery) })
	}
	work.Go(func() { s.ask(alive) })

	select {
	case <-server.ended:
		return fmt.Errorf("turnserver ended by itself: %w", server.why)
	case <-ctx.Done():
	}
	return s.drain(server)
}

// find finds the public address, and waits until there is one where the mode wants it.
func (s *Supervisor) find(ctx context.Context) (netip.Addr, error) {
	for {
		external, err := s.Config.External.find(ctx, s.Address, s.NodeName, s.nodes)
		switch {
		case err == nil && external.IsValid() && external.Is4() != s.Address.Is4():
			return netip.Addr{}, fmt.Errorf("the public address %s and the server's own, %s, must be of one family", external, s.Address)
		case err == nil:
			seen := s.Address
			if external.IsValid() {
				seen = external
			}
			s.external.Store(&seen)
			s.Log.Info("clients reach this server", "address", seen, "listening", s.Address, "mode", s.Config.External.Mode)
			return external, nil
		}
		s.waitsFor("the public address: " + err.Error())
		s.Log.Error("the public address is not known; it is retried", "error", err, "after", findRetry.String())
		select {
		case <-ctx.Done():
			return netip.Addr{}, err
		case <-time.After(findRetry):
		}
	}
}

// server is a running turnserver.
type server struct {
	process *os.Process
	ended   chan struct{} // closed at its end, after why is set
	why     error
}

func (s *Supervisor) start() (*server, error) {
	cmd := exec.Command(s.Turnserver, "-c", s.files.conf())
	// turnserver needs nothing of our environment.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.Dir = s.Folder
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = in, in
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start turnserver: %w", err), in.Close(), out.Close())
	}
	_ = in.Close()
	s.waitsFor("turnserver's first answer")
	s.running.Store(true)
	r := &server{process: cmd.Process, ended: make(chan struct{})}
	go func() {
		if err := newLogReader(s.metrics, s.live, s.Log).read(out); err != nil {
			s.Log.Error("turnserver's log cannot be read", "error", err)
			// It must never wait for a reader.
			_, _ = io.Copy(io.Discard, out)
		}
		_ = out.Close()
		if r.why = cmd.Wait(); r.why == nil {
			r.why = errors.New("without an error; its log says why")
		}
		close(r.ended)
	}()
	return r, nil
}

// reload makes turnserver reread its certificate (mainrelay.c, reload_ssl_certs).
func (r *server) reload() error {
	if err := r.process.Signal(syscall.SIGUSR2); err != nil {
		return fmt.Errorf("make turnserver reload its certificate: %w", err)
	}
	return nil
}

// end ends it.
func (r *server) end() {
	_ = r.process.Signal(syscall.SIGTERM)
	select {
	case <-r.ended:
	case <-time.After(endTimeout):
		_ = r.process.Kill()
		<-r.ended
	}
}

// ask keeps asking turnserver whether it answers, as a client would.
func (s *Supervisor) ask(ctx context.Context) {
	at := net.JoinHostPort(s.Address.String(), strconv.Itoa(s.Config.Port))
	pause := startEvery
	for {
		_, err := askSTUN(ctx, s.Address, at)
		if ctx.Err() != nil {
			return
		}
		answers := err == nil
		if s.answers.Swap(answers) != answers {
			s.metrics.Up(answers)
			if answers {
				s.Log.Info("turnserver answers", "address", at)
			} else {
				s.Log.Warn("turnserver does not answer", "error", err)
			}
		}
		if answers {
			pause = answerEvery
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// drain waits for the open allocations, and ends turnserver.
func (s *Supervisor) drain(r *server) error {
	s.stopping.Store(true)
	s.metrics.Draining.Set(1)
	n, changed := s.live.count()
	s.Log.Info("shutting down: open allocations may go on", "allocations", n, "gracePeriod", s.Grace.String())
	grace := time.After(s.Grace)
	for over := false; n > 0 && !over; n, changed = s.live.count() {
		select {
		case <-changed:
		case <-grace:
			over = true
			s.Log.Warn("the grace period is over; the allocations that are left are cut", "allocations", n)
		case <-r.ended:
			return fmt.Errorf("turnserver ended by itself: %w", r.why)
		}
	}
	r.end()
	s.Log.Info("turnserver has ended")
	return nil
}
