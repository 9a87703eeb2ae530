package probe

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

const enough = 10 * time.Second

var (
	alice = types.NamespacedName{Namespace: "desktops", Name: "alice"}
	noon  = time.Date(2020, 1, 1, 12, 0, 0, 0, time.UTC)
	visit = Visit{Session: alice, UID: "1", Slept: noon}
)

// awake is a session whose desktop was woken after its sleep at noon.
func awake() *v1alpha1.VDISession {
	s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: alice.Namespace, Name: alice.Name, UID: "1"}}
	s.Status.ObservedGeneration = 1
	s.Status.SleepTime = &metav1.MicroTime{Time: noon}
	s.Status.StartTime = &metav1.MicroTime{Time: noon.Add(time.Minute)}
	return s
}

func asleep(at time.Time, reason lifecycle.Reason) *v1alpha1.VDISession {
	s := awake()
	s.Status.StartTime, s.Status.SleepTime, s.Status.SleepReason = nil, &metav1.MicroTime{Time: at}, string(reason)
	s.Status.Message = "no GPU is free."
	return s
}

// network dials for real.
var network = (&net.Dialer{}).DialContext

func newProber(s *v1alpha1.VDISession, dial Dial) (*Prober, *directory.Directory) {
	d := directory.New(func(_, name string) string { return name }, nil)
	d.SetSession(s)
	return New(d, dial), d
}

func podAt(addr net.Addr) *corev1.Pod {
	tcp := addr.(*net.TCPAddr)
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: alice.Namespace, Name: "p", UID: "p",
		Labels: map[string]string{v1alpha1.LabelSession: alice.Name}}}
	p.Spec.Containers = []corev1.Container{{Name: v1alpha1.ContainerDesktop, Ports: []corev1.ContainerPort{{ContainerPort: int32(tcp.Port)}}}}
	p.Status.PodIP = tcp.IP.String()
	return p
}

func listen(t *testing.T, at string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", at)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

type dialled struct {
	conn net.Conn
	err  error
}

func dial(ctx context.Context, r *Prober) <-chan dialled {
	out := make(chan dialled, 1)
	go func() {
		c, err := r.Dial(ctx, visit)
		out <- dialled{c, err}
	}()
	return out
}

func expectConn(t *testing.T, got <-chan dialled) {
	t.Helper()
	select {
	case d := <-got:
		require.NoError(t, d.err)
		_ = d.conn.Close()
	case <-time.After(enough):
		t.Fatal("not reached")
	}
}

func TestADesktopIsReachedAsSoonAsItsAddressIsKnown(t *testing.T) {
	r, d := newProber(asleep(noon, lifecycle.ReasonDisconnected), network)
	l := listen(t, "127.0.0.1:0")
	got := dial(t.Context(), r)
	d.SetSession(awake())
	d.SetPod(podAt(l.Addr())) // not ready, not even started as far as the API knows
	expectConn(t, got)
	assert.True(t, accepts(t, r, d), "Now says that it is not there")
}

func TestADesktopByIPv6IsReached(t *testing.T) {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 here")
	}
	defer func() { _ = l.Close() }()
	r, d := newProber(awake(), network)
	d.SetPod(podAt(l.Addr()))
	expectConn(t, dial(t.Context(), r))
}

func TestAPortThatRefusesIsTriedUntilItAccepts(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	_ = l.Close()
	r, d := newProber(awake(), network)
	d.SetPod(podAt(l.Addr()))
	assert.False(t, accepts(t, r, d), "Now says that it is there")
	got := dial(t.Context(), r)
	select {
	case d := <-got:
		t.Fatalf("ended with %v", d.err)
	case <-time.After(3 * patientPause): // it has been refused by now
	}
	listen(t, l.Addr().String())
	expectConn(t, got)
}

func TestAPodForWhoseEndTheDesktopWaitsIsNotDialled(t *testing.T) {
	s := awake()
	s.Status.Waiting = &v1alpha1.SessionWaiting{Reason: v1alpha1.ReasonHomeFinishing}
	r, d := newProber(s, network)
	l := listen(t, "127.0.0.1:0")
	d.SetPod(podAt(l.Addr()))
	assert.False(t, accepts(t, r, d), "the last session's pod")
	s = awake()
	s.Status.Waiting = &v1alpha1.SessionWaiting{Reason: v1alpha1.ReasonStarting}
	d.SetSession(s)
	assert.True(t, accepts(t, r, d), "the pod that starts")
}

func TestADesktopThatIsBeingPutToSleepIsNotDialled(t *testing.T) {
	r, d := newProber(asleep(noon, lifecycle.ReasonDisconnected), network)
	d.SetPod(podAt(listen(t, "127.0.0.1:0").Addr()))
	assert.False(t, accepts(t, r, d), "Now says that it is there")
	ctx, cancel := context.WithTimeout(t.Context(), 2*patientPause)
	defer cancel()
	_, err := r.Dial(ctx, visit)
	assert.ErrorIs(t, err, context.DeadlineExceeded, "want that nothing was dialled")
}

func TestWhyADesktopCannotBeReached(t *testing.T) {
	change := func(how func(*v1alpha1.VDISession)) *v1alpha1.VDISession { s := awake(); how(s); return s }
	later := noon.Add(time.Hour)
	for name, tc := range map[string]struct {
		session *v1alpha1.VDISession
		want    error
		text    string
	}{
		"awake":                     {awake(), nil, ""},
		"being deleted":             {change(func(s *v1alpha1.VDISession) { s.DeletionTimestamp = &metav1.Time{Time: noon} }), closing.Gone, ""},
		"made again":                {change(func(s *v1alpha1.VDISession) { s.UID = "2" }), closing.Gone, ""},
		"switched off":              {change(func(s *v1alpha1.VDISession) { s.Spec.Power = v1alpha1.PowerOff }), closing.PoweredOff, ""},
		"did not start since":       {asleep(later, lifecycle.ReasonStartup), closing.StartFailed, "no GPU is free."},
		"too long awake since":      {asleep(later, lifecycle.ReasonMaxDuration), closing.Asleep, "MaxDuration"},
		"idle since":                {asleep(later, lifecycle.ReasonIdle), closing.Asleep, "IdleTimeout"},
		"put to sleep since":        {asleep(later, lifecycle.ReasonSleepRequested), closing.Asleep, "SleepRequested"},
		"left since":                {asleep(later, lifecycle.ReasonDisconnected), nil, ""},
		"did not start before":      {asleep(noon, lifecycle.ReasonStartup), nil, ""},
		"was too long awake before": {asleep(noon, lifecycle.ReasonMaxDuration), nil, ""},
		"slept even longer ago":     {asleep(noon.Add(-time.Hour), lifecycle.ReasonIdle), nil, ""},
		"slept since, but awake now": {change(func(s *v1alpha1.VDISession) {
			s.Status.SleepTime.Time, s.Status.SleepReason = later, "IdleTimeout"
		}), nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := newProber(tc.session, network)
			err := r.Check(visit)
			require.ErrorIs(t, err, tc.want)
			assert.False(t, tc.want != nil && !strings.Contains(err.Error(), tc.text),
				"err = %v, want %v with %q", err, tc.want, tc.text)
		})
	}
	t.Run("deleted while waiting", func(t *testing.T) {
		r, d := newProber(awake(), network)
		got := dial(t.Context(), r)
		d.DropSession(alice)
		assert.ErrorIs(t, (<-got).err, closing.Gone)
	})
}

func TestTheCallersReasonIsReturned(t *testing.T) {
	r, _ := newProber(awake(), network)
	why := errors.New("the gateway restarts")
	ctx, cancel := context.WithCancelCause(t.Context())
	got := dial(ctx, r)
	cancel(why)
	assert.ErrorIs(t, (<-got).err, why)
}

func TestWhoMayWakeASleepingDesktop(t *testing.T) {
	asked := func(s *v1alpha1.VDISession, at time.Time) *v1alpha1.VDISession {
		s.Status.Activity = &v1alpha1.SessionActivity{LastWakeTime: &metav1.MicroTime{Time: at}}
		return s
	}
	for name, tc := range map[string]struct {
		session *v1alpha1.VDISession
		forced  error
	}{
		"awake":                        {awake(), nil},
		"never slept":                  {&v1alpha1.VDISession{}, nil},
		"nobody was there":             {asleep(noon, lifecycle.ReasonDisconnected), nil},
		"switched off and on again":    {asleep(noon, lifecycle.ReasonPoweredOff), nil},
		"did not start":                {asleep(noon, lifecycle.ReasonStartup), closing.StartFailed},
		"too long awake":               {asleep(noon, lifecycle.ReasonMaxDuration), closing.Asleep},
		"idle":                         {asleep(noon, lifecycle.ReasonIdle), closing.Asleep},
		"idle, woken before":           {asked(asleep(noon, lifecycle.ReasonIdle), noon), closing.Asleep},
		"idle, asked for by a person ": {asked(asleep(noon, lifecycle.ReasonIdle), noon.Add(time.Microsecond)), nil},
	} {
		t.Run(name, func(t *testing.T) {
			assert.ErrorIs(t, RefuseScript(tc.session), tc.forced, "RefuseScript")
		})
	}
}

func accepts(t *testing.T, r *Prober, d *directory.Directory) bool {
	t.Helper()
	view, ok := d.View(alice)
	return ok && r.Accepts(t.Context(), view)
}
