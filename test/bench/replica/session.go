package replica

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/token"
)

// visitTTL outlasts every benchmark.
const visitTTL = 6 * time.Hour

// Session is a session that is asleep until Wanted and Appear.
type Session struct {
	world  *World
	object *v1alpha1.VDISession
	pod    *corev1.Pod
}

// Session creates one, or puts that of the same name back to sleep.
func (w *World) Session(ctx context.Context, name string) (*Session, error) {
	s := &Session{world: w, object: &v1alpha1.VDISession{
		ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: name},
		Spec:       v1alpha1.VDISessionSpec{User: name + "@example.com", Template: "bench"},
	}}
	err := w.client.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(Namespace),
		client.MatchingLabels{v1alpha1.LabelSession: name}, client.GracePeriodSeconds(0))
	if err == nil {
		err = client.IgnoreNotFound(w.client.Delete(ctx, s.object.DeepCopy()))
	}
	if err == nil {
		err = w.client.Create(ctx, s.object)
	}
	if err == nil {
		err = s.status(ctx, map[string]any{"observedGeneration": 1, "phase": v1alpha1.PhaseAsleep,
			"streaming": v1alpha1.StreamingSpec{Protocol: v1alpha1.ProtocolAuto}})
	}
	if err != nil {
		return nil, fmt.Errorf("session %s: %w", name, err)
	}
	return s, nil
}

// Host is the session's host name at the activator.
func (s *Session) Host() string {
	return host(s.object)
}

func host(s *v1alpha1.VDISession) string { return sessions.SessionHost(s.Namespace, s.Name) }

// Visit is the header of its owner's requests.
func (s *Session) Visit() (http.Header, error) { return s.world.Visit(s.object) }

// Visit is the header of a session's owner's requests.
func (w *World) Visit(s *v1alpha1.VDISession) (http.Header, error) {
	raw, err := w.signer.Sign(token.AudienceSession, token.For(s), time.Now(), visitTTL)
	return http.Header{"Host": {host(s)}, "Cookie": {"vdi-session=" + raw}}, err
}

// Woken waits until the activator has asked for the desktop.
func (s *Session) Woken(ctx context.Context) error {
	return Await(ctx, "a wake", func() error {
		if err := s.world.client.Get(ctx, client.ObjectKeyFromObject(s.object), s.object); err != nil {
			return err
		}
		if a := s.object.Status.Activity; a == nil || a.LastWakeTime == nil {
			return errors.New("session " + s.object.Name + " was not asked for")
		}
		return nil
	})
}

// Wanted is what operator and scheduler do upon a wake: the session is awake, its
// pod exists and has no address.
func (s *Session) Wanted(ctx context.Context, port int32) error {
	s.pod = &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, GenerateName: s.object.Name + "-",
			Labels: map[string]string{v1alpha1.LabelSession: s.object.Name}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: v1alpha1.ContainerDesktop, Image: "none",
			Ports: []corev1.ContainerPort{{ContainerPort: port}}}}},
	}
	if err := s.world.client.Create(ctx, s.pod); err != nil {
		return err
	}
	return s.status(ctx, map[string]any{"startTime": metav1.NowMicro(), "phase": v1alpha1.PhaseCreating})
}

// Appear is what kubelet does when the desktop's container runs.
func (s *Session) Appear(ctx context.Context, ip string) error {
	s.pod.Status.Phase, s.pod.Status.PodIP = corev1.PodRunning, ip
	s.pod.Status.PodIPs = []corev1.PodIP{{IP: ip}}
	return s.world.client.Status().Update(ctx, s.pod)
}

func (s *Session) status(ctx context.Context, fields map[string]any) error {
	patch, err := json.Marshal(map[string]any{"status": fields})
	if err != nil {
		return err
	}
	return s.world.client.Status().Patch(ctx, s.object, client.RawPatch(types.MergePatchType, patch))
}
