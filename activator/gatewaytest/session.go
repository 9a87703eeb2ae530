package gatewaytest

import (
	"bytes"
	"context"
	"net"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/record"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// Alice has the session.
var Alice = types.NamespacedName{Namespace: "desktops", Name: "alice"}

// Session is somebody's, asleep.
func Session(name string, uid types.UID) *v1alpha1.VDISession {
	s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: Alice.Namespace, Name: name, UID: uid}}
	s.Spec.User = name + "@example.com"
	s.Status.ObservedGeneration, s.Status.Phase = 1, v1alpha1.PhaseAsleep
	return s
}

// PodOf is a pod of a session's in which a desktop of the test's runs.
func PodOf(s *v1alpha1.VDISession, desktop *httptest.Server) *corev1.Pod {
	p, at := pod(s), desktop.Listener.Addr().(*net.TCPAddr)
	p.Spec.Containers[0].Ports[0].ContainerPort = int32(at.Port)
	p.Status.PodIP = at.IP.String()
	return p
}

// pod has no address yet.
func pod(s *v1alpha1.VDISession) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: s.Name, UID: s.UID,
		Labels: map[string]string{v1alpha1.LabelSession: s.Name}}}
	p.Spec.Containers = []corev1.Container{{Name: v1alpha1.ContainerDesktop, Ports: []corev1.ContainerPort{{ContainerPort: 1}}}}
	return p
}

// Directories are those of all replicas.
func (g *Gateway) Directories() []*directory.Directory {
	all := []*directory.Directory{g.Directory}
	for _, r := range g.replicas {
		all = append(all, r.Directory)
	}
	return all
}

// Change changes the session as operator or administrator do.
func (g *Gateway) Change(how func(*v1alpha1.VDISession)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.change(how)
}

func (g *Gateway) change(how func(*v1alpha1.VDISession)) {
	g.session = g.session.DeepCopy()
	how(g.session)
	g.version++
	g.session.ResourceVersion = strconv.Itoa(g.version)
	for _, d := range g.Directories() {
		d.SetSession(g.session)
	}
}

func (g *Gateway) changeActivity(how func(*v1alpha1.SessionActivity)) {
	g.change(func(s *v1alpha1.VDISession) {
		if s.Status.Activity == nil {
			s.Status.Activity = &v1alpha1.SessionActivity{}
		}
		how(s.Status.Activity)
	})
}

// Speaks is what its template says of its protocol.
func (g *Gateway) Speaks(p v1alpha1.StreamingProtocol) {
	g.Change(func(s *v1alpha1.VDISession) { s.Status.Streaming = &v1alpha1.StreamingSpec{Protocol: p} })
}

// Sleeps is what the operator records when a clock puts the desktop to sleep.
func (g *Gateway) Sleeps(reason lifecycle.Reason, message string) {
	g.Change(func(s *v1alpha1.VDISession) {
		s.Status.StartTime, s.Status.SleepTime, s.Status.SleepReason = nil, &metav1.MicroTime{Time: time.Now()}, string(reason)
		s.Status.Phase, s.Status.Message = v1alpha1.PhaseAsleep, message
		if reason == lifecycle.ReasonStartup {
			s.Status.Phase = v1alpha1.PhaseFailed
		}
	})
}

// SignsIn is what the portal records of a person who signs in for an hour.
func (g *Gateway) SignsIn(name, user string, changes ...func(*v1alpha1.VDISignIn)) {
	later := metav1.NewTime(time.Now().Add(time.Hour))
	s := &v1alpha1.VDISignIn{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.VDISignInSpec{User: user, ExpiresAt: later},
		Status: v1alpha1.VDISignInStatus{ValidUntil: &later}}
	for _, change := range changes {
		change(s)
	}
	g.SignIns.Set(s)
}

// Wakes is what operator and kubelet record when the desktop comes.
func (g *Gateway) Wakes(desktop *httptest.Server) {
	g.Change(func(s *v1alpha1.VDISession) {
		s.Status.StartTime, s.Status.Phase = &metav1.MicroTime{Time: time.Now()}, v1alpha1.PhaseRunning
	})
	p := PodOf(g.Owned, desktop)
	p.Name, p.UID, p.Spec.Containers[0].Image = "p", "p", g.Image
	g.SetPod(p)
}

// Pod is what kubelet records of the session's, before it has an address.
func (g *Gateway) Pod(change func(*corev1.Pod)) {
	p := pod(g.Owned)
	p.Name, p.UID, p.Spec.Containers[0].Image = "p", "p", g.Image
	change(p)
	g.SetPod(p)
}

// SetPod is another pod of the session's.
func (g *Gateway) SetPod(p *corev1.Pod) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pod = p
	for _, d := range g.Directories() {
		d.SetPod(p)
	}
}

// DropPod is the end of the session's pod.
func (g *Gateway) DropPod() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, d := range g.Directories() {
		d.DropPod(g.pod)
	}
	g.pod = nil
}

// WriteActivity implements wake.Writer: what is written comes back by the watch.
func (g *Gateway) WriteActivity(ctx context.Context, key types.NamespacedName, a record.Activity) error {
	if g.api != nil {
		return g.api.WriteActivity(ctx, key, a)
	}
	time.Sleep(g.Latency)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.writes = append(g.writes, a)
	if g.options.Unwatched || key != Alice || a.Wake.IsZero() && a.Protocol == "" {
		return nil
	}
	g.changeActivity(func(to *v1alpha1.SessionActivity) {
		if !a.Wake.IsZero() {
			to.LastWakeTime = &metav1.MicroTime{Time: a.Wake}
		}
		if a.Protocol != "" {
			to.Protocol = a.Protocol
		}
	})
	return nil
}

// WriteViewer implements viewer.Writer: what is recorded comes back by the watch.
func (g *Gateway) WriteViewer(ctx context.Context, key types.NamespacedName, v *v1alpha1.SessionViewer, seen string) error {
	if g.api != nil {
		return g.api.WriteViewer(ctx, key, v, seen)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.options.Unwatched || key != Alice || g.refusing != nil:
		return g.refusing
	case seen != "" && seen != g.session.ResourceVersion:
		return record.ErrChanged
	}
	g.recorded++
	g.changeActivity(func(to *v1alpha1.SessionActivity) { to.Viewer = v })
	return nil
}

// UseShare implements auth.Shares.
func (g *Gateway) UseShare(ctx context.Context, of *v1alpha1.VDISession, name string) (err error) {
	if g.api != nil {
		return g.api.UseShare(ctx, of, name)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	share := slices.IndexFunc(of.Spec.Shares, func(s v1alpha1.Share) bool { return s.Name == name })
	most := of.Spec.Shares[share].Link.MaxUses
	g.changeActivity(func(to *v1alpha1.SessionActivity) {
		i := slices.IndexFunc(to.Shares, func(u v1alpha1.ShareUse) bool { return u.Name == name })
		if i < 0 {
			i, to.Shares = len(to.Shares), append(to.Shares, v1alpha1.ShareUse{Name: name})
		}
		if most > 0 && to.Shares[i].Uses >= most {
			err = record.ErrUsedUp
			return
		}
		to.Shares[i].Uses++
	})
	return err
}

// Refuse has the API server refuse to record a viewer; nil lets it.
func (g *Gateway) Refuse(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refusing = err
}

// Written is what was written of any session's activity.
func (g *Gateway) Written() []record.Activity {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.writes)
}

// Count is how many of that are such ones.
func (g *Gateway) Count(is func(record.Activity) bool) (n int) {
	for _, a := range g.Written() {
		if is(a) {
			n++
		}
	}
	return n
}

// Woken is how many wakes were written.
func (g *Gateway) Woken() int {
	return g.Count(func(a record.Activity) bool { return !a.Wake.IsZero() })
}

// Inputs is how often input was written.
func (g *Gateway) Inputs() int {
	return g.Count(func(a record.Activity) bool { return !a.Input.IsZero() })
}

// Recorded is how often a viewer was recorded.
func (g *Gateway) Recorded() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.recorded
}

// Buffer is written while it is read.
type Buffer struct {
	mu  sync.Mutex
	all bytes.Buffer
}

// Write implements io.Writer.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.Write(p)
}

// String is what was written since it was taken last.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.String()
}

// Take takes that.
func (b *Buffer) Take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.all.Reset()
	return b.all.String()
}
