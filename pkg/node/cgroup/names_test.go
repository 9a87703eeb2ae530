package cgroup

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"k8s.io/apimachinery/pkg/types"
)

const (
	podUID = types.UID("0f1d3c1e-7a52-4c57-9f27-1f9a4f5a8f10")
	podLow = "0f1d3c1e_7a52_4c57_9f27_1f9a4f5a8f10"
)

var desktopID = strings.Repeat("a1", 32)

func TestAPodsCgroupIsKnownByKubeletsNames(t *testing.T) {
	for name, want := range map[string]types.UID{
		"pod" + string(podUID):                                podUID,
		"kubepods-burstable-pod" + podLow + ".slice":          podUID,
		"kubepods-pod" + podLow + ".slice":                    podUID,
		"kubelet-kubepods-besteffort-pod" + podLow + ".slice": podUID,
		"kubepods":                            "",
		"kubepods.slice":                      "",
		"kubepods-burstable.slice":            "",
		"pod":                                 "",
		"pods-pod.slice":                      "",
		"pod" + string(podUID) + ".mount":     "",
		"pod../../x":                          "",
		"pod" + strings.Repeat("a", maxUID+1): "",
		"kubepods-burstable-pod" + podLow + ".slice:cri-containerd": "",
		desktopID: "",
	} {
		got, is := podOf(name)
		assert.Equal(t, want, got, name)
		assert.Equal(t, want != "", is, name)
	}
}

func TestAContainersCgroupIsKnownByItsRuntimesNames(t *testing.T) {
	for name, want := range map[string]bool{
		desktopID:                                   true,
		"cri-containerd-" + desktopID + ".scope":    true,
		"crio-" + desktopID + ".scope":              true,
		"docker-" + desktopID + ".scope":            true,
		"crio-conmon-" + desktopID + ".scope":       false,
		"conmon-" + desktopID + ".scope":            false,
		desktopID + ".scope":                        false,
		desktopID[1:]:                               false,
		strings.ToUpper(desktopID):                  false,
		"cri-containerd-" + desktopID:               false,
		"cri-containerd-" + desktopID + ".scope/..": false,
	} {
		id, is := containerOf(name)
		assert.Equal(t, want, is, name)
		if is {
			assert.Equal(t, desktopID, id, name)
		}
	}
}

func FuzzNames(f *testing.F) {
	for _, seed := range []string{"pod" + string(podUID), "kubepods-burstable-pod" + podLow + ".slice", "crio-" + desktopID + ".scope", "pod-.slice", ".scope"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if uid, is := podOf(name); is && (uid == "" || strings.ContainsAny(string(uid), "/._ ") || len(uid) > maxUID) {
			t.Errorf("%q is taken for the pod %q", name, uid)
		}
		if id, is := containerOf(name); is && (len(id) != 64 || strings.ContainsAny(id, "/.")) {
			t.Errorf("%q is taken for the container %q", name, id)
		}
	})
}
