package directory

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

var (
	here  = netip.MustParseAddr("10.0.0.1")
	there = netip.MustParseAddr("10.0.0.2")
)

func announce(t *testing.T, d *Directory, pod string, at netip.Addr, listening bool) {
	t.Helper()
	if err := d.Announce(alice, Announcement{Pod: pod, Address: at, Listening: listening}); err != nil {
		t.Fatal(err)
	}
}

func expectAddress(t *testing.T, d *Directory, ip string, announced, listening bool) {
	t.Helper()
	v, _ := d.View(alice)
	if v.Pod == nil {
		t.Fatal("no pod")
	}
	if v.Pod.IP != ip || v.Pod.Announced != announced || v.Pod.Listening != listening {
		t.Errorf("at %q, announced %v, listening %v; want %q, %v, %v", v.Pod.IP, v.Pod.Announced, v.Pod.Listening, ip, announced, listening)
	}
}

func TestAPodIsKnownByItsOwnWordBeforeTheAPITells(t *testing.T) {
	d := newDirectory(new([]types.NamespacedName))
	d.SetSession(session())
	d.SetPod(pod("a", 1, ""))
	v, _ := d.View(alice)
	announce(t, d, "a", here, false)
	select {
	case <-v.Changed:
	default:
		t.Error("no notification of the announcement")
	}
	expectAddress(t, d, "10.0.0.1", true, false)
	announce(t, d, "a", here, true)
	expectAddress(t, d, "10.0.0.1", true, true)
	v, _ = d.View(alice)
	if !v.Pod.Scheduled || v.Pod.Started {
		t.Error("a pod that speaks has a node; that its container runs is the API's to say")
	}
	announce(t, d, "a", here, true)
	select {
	case <-v.Changed:
		t.Error("a notification without a change")
	default:
	}
	d.SetPod(pod("a", 1, "10.0.0.1"))
	expectAddress(t, d, "10.0.0.1", true, true)
}

func TestTheAPIsAddressWins(t *testing.T) {
	d := newDirectory(new([]types.NamespacedName))
	d.SetSession(session())
	d.SetPod(pod("a", 1, ""))
	announce(t, d, "a", there, true)
	d.SetPod(pod("a", 1, "10.0.0.1"))
	expectAddress(t, d, "10.0.0.1", false, false)
	if err := d.Announce(alice, Announcement{Pod: "a", Address: there}); !errors.Is(err, ErrOtherAddress) {
		t.Errorf("err = %v", err)
	}
	expectAddress(t, d, "10.0.0.1", false, false)
}

func TestAnyOfAPodsAddressesIsItsOwn(t *testing.T) {
	d := newDirectory(new([]types.NamespacedName))
	d.SetSession(session())
	p := pod("a", 1, "10.0.0.1")
	p.Status.PodIPs = []corev1.PodIP{{IP: "10.0.0.1"}, {IP: "2001:db8::1"}}
	d.SetPod(p)
	announce(t, d, "a", netip.MustParseAddr("2001:db8::1"), true)
	expectAddress(t, d, "10.0.0.1", true, true)
}

func TestAnAnnouncementThatIsAheadOfTheWatchCountsForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory(new([]types.NamespacedName))
		d.SetSession(session())
		announce(t, d, "a", here, false)
		announce(t, d, "a", here, true)
		time.Sleep(earlyFor)
		d.SetPod(pod("a", 1, ""))
		expectAddress(t, d, "10.0.0.1", true, true)

		announce(t, d, "b", there, true)
		time.Sleep(earlyFor + time.Nanosecond)
		d.SetPod(pod("b", 2, ""))
		expectAddress(t, d, "", false, false)
	})
}

func TestAnnouncementsOfPodsThatNeverComeAreBounded(t *testing.T) {
	d := newDirectory(new([]types.NamespacedName))
	d.SetSession(session())
	for i := range 1000 {
		announce(t, d, fmt.Sprint("pod-", i), here, true)
	}
	if n := len(d.entries[alice].early); n != earlyPods {
		t.Errorf("%d are kept, want %d", n, earlyPods)
	}
	d.SetPod(pod("pod-999", 1, ""))
	expectAddress(t, d, "10.0.0.1", true, true) // the latest counts
	if err := d.Announce(types.NamespacedName{Name: "nobody"}, Announcement{Pod: "a", Address: here}); !errors.Is(err, ErrNoSession) {
		t.Errorf("err = %v", err)
	}
	if len(d.entries) != 1 {
		t.Error("something is kept for a session that is not there")
	}
}

func TestAnAnnouncementGoesWithItsPod(t *testing.T) {
	d := newDirectory(new([]types.NamespacedName))
	d.SetSession(session())
	d.SetPod(pod("a", 1, ""))
	announce(t, d, "a", here, true)
	ending := pod("a", 1, "")
	ending.DeletionTimestamp = &metav1.Time{Time: time.Unix(9, 0)}
	d.SetPod(ending)
	expectPod(t, d, "")
	announce(t, d, "a", here, true) // its agent has not ended yet
	d.SetPod(ending)
	d.SetPod(pod("b", 2, ""))
	expectAddress(t, d, "", false, false)
	if len(d.entries[alice].early) != 0 {
		t.Error("what a pod said that is gone is kept")
	}
}
