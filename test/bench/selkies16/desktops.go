package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/test/harness"
)

const (
	template = "bench-selkies16"
	// asleepSoon lets a session that was left sleep before its second visit. It is longer
	// than a page takes to load from a desktop whose loop sleeps.
	asleepSoon  = 12 * time.Second
	linkTTL     = time.Hour
	desktopPort = 8080
)

// desktop is how each of them is.
type desktop struct {
	startDelay time.Duration
	// firstAsk is how long after that its apps first ask for a viewer.
	firstAsk time.Duration
	// nginx stands before Selkies, as in the images that have it.
	nginx bool
}

func (d desktop) env() []corev1.EnvVar {
	env := []corev1.EnvVar{{Name: "DESKTOP_BLOCK_LOOP", Value: blockLoop.String()}, {Name: "DESKTOP_START_DELAY", Value: d.startDelay.String()},
		{Name: "DESKTOP_FIRST_ASK", Value: d.firstAsk.String()}}
	if d.nginx {
		env = append(env, corev1.EnvVar{Name: "DESKTOP_LAYOUT", Value: "egl"}, corev1.EnvVar{Name: "SELKIES_ENABLE_BASIC_AUTH", Value: "false"})
	}
	return env
}

// desktops are the sessions that are visited.
type desktops struct {
	in *harness.Installation
	desktop
	warm *v1alpha1.VDISession
}

// setUp makes the template and the desktop that stays up.
func (d *desktops) setUp(ctx context.Context) error {
	no, gpus := false, int32(0)
	spec := d.in.DemoTemplate()
	spec.Resources.DefaultGPU = &gpus
	spec.Persistence = v1alpha1.TemplatePersistence{Enabled: &no}
	spec.Streaming.Protocol = v1alpha1.ProtocolSelkies1
	spec.Env = d.env()
	spec.Lifecycle = &v1alpha1.Lifecycle{DisconnectTimeout: &v1alpha1.Duration{Duration: metav1.Duration{Duration: asleepSoon}}}
	if err := d.in.Recreate(ctx, &v1alpha1.VDITemplate{ObjectMeta: metav1.ObjectMeta{Name: template}, Spec: spec}); err != nil {
		return err
	}
	warm, err := d.session(ctx, "warm", v1alpha1.PowerAlwaysOn, v1alpha1.PhaseRunning)
	d.warm = warm
	return err
}

func (d *desktops) remove(ctx context.Context) error {
	tpl := &v1alpha1.VDITemplate{ObjectMeta: metav1.ObjectMeta{Name: template}}
	return client.IgnoreNotFound(d.in.Client.Delete(ctx, tpl))
}

func (d *desktops) session(ctx context.Context, name string, power v1alpha1.Power, until v1alpha1.Phase) (*v1alpha1.VDISession, error) {
	s := &v1alpha1.VDISession{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       v1alpha1.VDISessionSpec{User: name + "@example.com", Template: template, Power: power},
	}
	if err := d.in.Client.Create(ctx, s); err != nil {
		return nil, err
	}
	return d.in.Session(ctx, client.ObjectKeyFromObject(s), string(until), harness.InPhase(until))
}

// link leads to the warm desktop through the activator.
func (d *desktops) link(ctx context.Context) (string, error) {
	return d.in.Link(ctx, client.ObjectKeyFromObject(d.warm), linkTTL)
}

// direct is the warm desktop's own address.
func (d *desktops) direct(ctx context.Context) (string, error) {
	pods, err := d.in.Pods(ctx, d.warm)
	if err != nil {
		return "", err
	}
	if len(pods) != 1 || !harness.Ready(&pods[0]) {
		return "", fmt.Errorf("the warm desktop has %d pods, want one that is ready", len(pods))
	}
	return "http://" + net.JoinHostPort(pods[0].Status.PodIP, strconv.Itoa(desktopPort)) + "/", nil
}

// slept is a session that sleeps between its visits.
type slept struct {
	in      *harness.Installation
	session *v1alpha1.VDISession
}

func (d *desktops) create(ctx context.Context, name string) (*slept, error) {
	s, err := d.session(ctx, name, v1alpha1.PowerOnDemand, v1alpha1.PhaseAsleep)
	return &slept{in: d.in, session: s}, err
}

// asleep waits until nothing of the desktop runs.
func (s *slept) asleep(ctx context.Context) error {
	_, err := s.in.Session(ctx, client.ObjectKeyFromObject(s.session), "asleep", harness.InPhase(v1alpha1.PhaseAsleep))
	return errors.Join(err, s.in.NoPods(ctx, s.session))
}

func (s *slept) link(ctx context.Context) (string, error) {
	return s.in.Link(ctx, client.ObjectKeyFromObject(s.session), linkTTL)
}
