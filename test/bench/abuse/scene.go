package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/test/bench/process"
	"github.com/org/vdi-operator/test/bench/replica"
)

const (
	values         = "charts/vdi-operator/values.yaml"
	backendProgram = "out/bench/backend"

	// sessions is how many well-behaved people have an awake desktop, and how many wait
	// for one.
	sessions = 20
	// hostileDesktops reach the replica's bound of plain requests, not only a session's;
	// hostileSleepers the bound of what is kept for held connections.
	hostileDesktops, hostileSleepers = 16, 84
	// recoverWithin is how long after the last attack the replica may keep something.
	recoverWithin = 2 * time.Minute
	// spareGoroutines may come with what the replica does by itself.
	spareGoroutines = 50
	// sampling is how often the sockets' memory is looked at.
	sampling = 250 * time.Millisecond
)

// scene holds all that runs.
type scene struct {
	world     *replica.World
	backend   *process.Process
	activator *replica.Activator
	group     *process.Group
	limit     int64
	// port is that of the desktops that behave, hostilePort that of the others.
	port, hostilePort int32

	awake, asleep, desktops, sleepers []*replica.Session
}

// memoryLimit is the activator's in the chart.
func memoryLimit() (int64, error) {
	raw, err := os.ReadFile(values)
	if err != nil {
		return 0, err
	}
	var chart struct {
		Activator struct {
			Resources struct {
				Limits struct {
					Memory string `json:"memory"`
				} `json:"limits"`
			} `json:"resources"`
		} `json:"activator"`
	}
	if err := yaml.Unmarshal(raw, &chart); err != nil {
		return 0, err
	}
	q, err := resource.ParseQuantity(chart.Activator.Resources.Limits.Memory)
	if err != nil {
		return 0, fmt.Errorf("activator.resources.limits.memory in %s: %w", values, err)
	}
	return q.Value(), nil
}

func openScene(ctx context.Context, o options) (s *scene, err error) {
	s = &scene{}
	if s.limit, err = memoryLimit(); err != nil {
		return s, err
	}
	for _, port := range []*int32{&s.port, &s.hostilePort} {
		if *port, err = freePort(); err != nil {
			return s, err
		}
	}
	say("starting an API server for the activator")
	if s.world, err = replica.Begin(ctx); err != nil {
		return s, err
	}
	for _, of := range []struct {
		name  string
		count int
		into  *[]*replica.Session
	}{{"awake", min(sessions, o.viewers), &s.awake}, {"asleep", min(sessions, o.held), &s.asleep},
		{"desktop", hostileDesktops, &s.desktops}, {"sleeper", hostileSleepers, &s.sleepers}} {
		for i := range of.count {
			session, err := s.world.Session(ctx, fmt.Sprintf("%s-%d", of.name, i))
			if err != nil {
				return s, err
			}
			*of.into = append(*of.into, session)
		}
	}
	// One process is all well-behaved desktops, at an address for each.
	if s.backend, err = process.Start(ctx, []string{fmt.Sprintf("PORT=%d", s.port)}, backendProgram); err != nil {
		return s, err
	}
	for i, session := range s.awake {
		if err := appears(ctx, session, awakeNet, i, s.port); err != nil {
			return s, err
		}
	}
	for i, session := range s.desktops {
		if err := appears(ctx, session, hostileNet, i, s.hostilePort); err != nil {
			return s, err
		}
	}
	// As the chart sets it.
	if s.activator, err = s.world.Activator(ctx, config.Default().Limits, fmt.Sprintf("GOMEMLIMIT=%d", s.limit/10*9)); err != nil {
		return s, err
	}
	if s.group, err = s.activator.Confine(s.limit); err != nil {
		say("the memory limit is compared, not enforced: %v", err)
	}
	return s, nil
}

func freePort() (int32, error) {
	at, err := replica.FreeAddress()
	if err != nil {
		return 0, err
	}
	_, port, err := net.SplitHostPort(at)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(port, 10, 32)
	return int32(n), err
}

// Desktops' addresses are 127.0.NET.N: 127.0.0.1 is everybody's.
const (
	awakeNet = iota + 1
	asleepNet
	hostileNet
)

func desktopAddress(of byte, i int) net.IP { return net.IPv4(127, 0, of, byte(i+1)) }

func appears(ctx context.Context, session *replica.Session, of byte, i int, port int32) error {
	if err := session.Wanted(ctx, port); err != nil {
		return err
	}
	return session.Appear(ctx, desktopAddress(of, i).String())
}

func (s *scene) close() error {
	for _, p := range []*process.Process{processOf(s.activator), s.backend} {
		if p != nil {
			p.End()
		}
	}
	var err error
	if s.group != nil {
		err = s.group.End()
	}
	if s.world != nil {
		err = errors.Join(err, s.world.End())
	}
	return err
}

func processOf(a *replica.Activator) *process.Process {
	if a == nil {
		return nil
	}
	return a.Process
}

// play brings the viewers, lets the attackers do their worst and serves the held.
func (s *scene) play(ctx context.Context, o options) (r result, err error) {
	r = result{limit: s.limit, enforced: s.group != nil}
	start, err := s.metrics()
	if err != nil {
		return r, err
	}
	v, err := s.visitors(ctx, o)
	if err != nil {
		return r, err
	}
	defer v.leave()
	for _, act := range []struct {
		name  string
		lasts time.Duration
		order order
	}{
		{phaseBefore, o.before, order{}},
		{phaseDesktop, o.each, order{Kind: phaseDesktop, Port: s.hostilePort, Sessions: s.visits(s.desktops)}},
		{phaseClient, o.each, order{Kind: phaseClient, Sessions: s.visits(s.sleepers)}},
	} {
		act.order.Address, act.order.Lasts = s.activator.Address, act.lasts
		p, err := s.phase(ctx, act.name, act.order, v)
		if err != nil {
			return r, s.explain(fmt.Errorf("%s: %w", act.name, err))
		}
		r.phases = append(r.phases, p)
	}
	p, err := s.phase(ctx, phaseAfter, order{}, v, func(ctx context.Context) error { return s.serve(ctx, v) })
	if err != nil {
		return r, s.explain(fmt.Errorf("%s: %w", phaseAfter, err))
	}
	r.lost, r.why = v.lost()
	r.kept, p.goroutines = s.recovers(ctx, start)
	if p.resident, err = s.activator.Resident(); err != nil {
		return r, s.explain(err)
	}
	r.phases = append(r.phases, p)
	return r, nil
}

// explain says with an error whether the replica still lives.
func (s *scene) explain(err error) error {
	if _, gone := s.activator.CPU(); gone != nil {
		return fmt.Errorf("%w: the replica has ended, as it does when it needs more than its limit of %d MiB", err, s.limit>>20)
	}
	return err
}

func (s *scene) visits(of []*replica.Session) (all []http.Header) {
	for _, session := range of {
		if header, err := session.Visit(); err == nil {
			all = append(all, header)
		}
	}
	return all
}

// phase measures while attackers carry out their order, or while do does something.
func (s *scene) phase(ctx context.Context, name string, o order, v *visitors, do ...func(context.Context) error) (p phase, err error) {
	p.name = name
	say("%s", name)
	if err := s.activator.ForgetPeak(); err != nil {
		return p, err
	}
	before, err := s.metrics()
	if err != nil {
		return p, err
	}
	v.turn()
	watching, stop := context.WithCancel(ctx)
	sockets := make(chan int64, 1)
	go func() { sockets <- s.mostSockets(watching) }()
	defer stop()
	switch {
	case len(do) > 0:
		err = do[0](ctx)
	case o.Kind != "":
		p.attempts, err = attack(ctx, o)
	default:
		err = pause(ctx, o.Lasts)
	}
	p.took = v.turn()
	stop()
	p.sockets = <-sockets
	if err != nil {
		return p, err
	}
	if p.peak, err = s.activator.Peak(); err != nil {
		return p, err
	}
	if p.resident, err = s.activator.Resident(); err != nil {
		return p, err
	}
	after, err := s.metrics()
	if err != nil {
		return p, err
	}
	p.goroutines = after.goroutines
	p.refused = map[string]float64{}
	for reason, n := range after.refused {
		if n -= before.refused[reason]; n > 0 {
			p.refused[reason] = n
		}
	}
	return p, nil
}

// mostSockets is the most that the replica's sockets took until ctx ends.
func (s *scene) mostSockets(ctx context.Context) (most int64) {
	for s.group != nil && pause(ctx, sampling) == nil {
		if now, err := s.group.Sockets(); err == nil {
			most = max(most, now)
		}
	}
	return most
}

// serve lets the desktops of the held appear and waits until they are served.
func (s *scene) serve(ctx context.Context, v *visitors) error {
	for i, session := range s.asleep {
		if err := session.Appear(ctx, desktopAddress(asleepNet, i).String()); err != nil {
			return err
		}
	}
	v.finish()
	return nil
}

// state is what the replica says of itself.
type state struct {
	gauges     map[string]float64
	refused    map[string]float64
	goroutines int
}

// places are the gauges that are 0 when nobody is there.
var places = []string{
	"vdi_activator_held_connections", "vdi_activator_held_bytes", "vdi_activator_relayed_connections",
	"vdi_activator_live_requests", "vdi_activator_live_websockets", "vdi_activator_idle_connections",
	"vdi_activator_pending_connections", "vdi_activator_pages",
}

func (s *scene) metrics() (state, error) {
	resp, err := (&http.Client{Timeout: 30 * time.Second}).Get("http://" + s.activator.Metrics + "/metrics")
	if err != nil {
		return state{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		return state{}, err
	}
	now := state{gauges: map[string]float64{}, refused: map[string]float64{}}
	gauge := func(name string) float64 { return families[name].GetMetric()[0].GetGauge().GetValue() }
	for _, name := range append(slices.Clone(places), "go_goroutines") {
		if len(families[name].GetMetric()) != 1 {
			return state{}, fmt.Errorf("the replica has no metric %s", name)
		}
		now.gauges[name] = gauge(name)
	}
	now.goroutines = int(gauge("go_goroutines"))
	delete(now.gauges, "go_goroutines")
	for _, m := range families["vdi_activator_refusals_total"].GetMetric() {
		now.refused[labels(m)] = m.GetCounter().GetValue()
	}
	return now, nil
}

func labels(m *dto.Metric) (value string) {
	for _, l := range m.GetLabel() {
		value += l.GetValue()
	}
	return value
}

// recovers waits until the replica keeps nothing for anybody, and says what it still keeps.
func (s *scene) recovers(ctx context.Context, start state) (kept []string, goroutines int) {
	until := time.Now().Add(recoverWithin)
	for {
		now, err := s.metrics()
		if kept = nil; err != nil {
			kept = []string{err.Error()}
		}
		for _, name := range slices.Sorted(maps.Keys(now.gauges)) {
			if n := now.gauges[name]; n != 0 {
				kept = append(kept, fmt.Sprintf("%s %v", name, n))
			}
		}
		if more := now.goroutines - start.goroutines; more > spareGoroutines {
			kept = append(kept, fmt.Sprintf("%d goroutines more than at its start", more))
		}
		if len(kept) == 0 || time.Now().After(until) || pause(ctx, time.Second) != nil {
			return kept, now.goroutines
		}
	}
}
