package directory

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
	require.NoError(t, d.Announce(alice, Announcement{Pod: pod, Address: at, Listening: listening}))
}

func expectAddress(t *testing.T, d *Directory, ip string, announced, listening bool) {
	t.Helper()
	v, _ := d.View(alice)
	require.NotNil(t, v.Pod, "no pod")
	require.Equal(t, ip, v.Pod.IP)
	require.Equal(t, announced, v.Pod.Announced)
	assert.Equal(t, listening, v.Pod.Listening, "announced, listening")
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
	require.True(t, v.Pod.Scheduled)
	assert.False(t, v.Pod.Started, "a pod that speaks has a node; that its container runs is the API's to say")
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
	assert.ErrorIs(t, d.Announce(alice, Announcement{Pod: "a", Address: there}), ErrOtherAddress)
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
	assert.Equal(t, earlyPods, len(d.entries[alice].early), "are kept")
	d.SetPod(pod("pod-999", 1, ""))
	expectAddress(t, d, "10.0.0.1", true, true) // the latest counts
	assert.ErrorIs(t, d.Announce(types.NamespacedName{Name: "nobody"}, Announcement{Pod: "a", Address: here}), ErrNoSession)
	assert.Len(t, d.entries, 1, "something is kept for a session that is not there")
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
	assert.Empty(t, d.entries[alice].early, "what a pod said that is gone is kept")
}
