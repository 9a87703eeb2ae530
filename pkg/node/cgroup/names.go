package cgroup

import (
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
)

// maxUID bounds what is taken for a pod's UID: the API server's have 36 characters.
const maxUID = 64

// uid is what a pod's UID looks like, with the underscores that systemd's names have for dashes.
var uid = regexp.MustCompile(`^[0-9a-f]+([-_][0-9a-f]+)*$`)

// containerID is what containerd's and CRI-O's ids look like.
var containerID = regexp.MustCompile(`^[0-9a-f]{64}$`)

// scopes are how runtimes begin the names of containers' cgroups with the systemd driver.
var scopes = []string{"cri-containerd-", "crio-", "docker-"}

// podOf is the UID of the pod that kubelet named a cgroup for: pod1b2c-… with the cgroupfs
// driver, kubepods-burstable-pod1b2c_….slice with systemd's (kubernetes/pkg/kubelet/cm,
// cgroup_manager_linux.go and pod_container_manager_linux.go).
func podOf(name string) (types.UID, bool) {
	rest, isPod := strings.CutPrefix(name, "pod")
	if slice, is := strings.CutSuffix(name, ".slice"); is {
		at := strings.LastIndex(slice, "-pod")
		if isPod = at >= 0; isPod {
			rest = slice[at+len("-pod"):]
		}
	}
	if !isPod || len(rest) > maxUID || !uid.MatchString(rest) {
		return "", false
	}
	return types.UID(strings.ReplaceAll(rest, "_", "-")), true
}

// containerOf is the id of the container that a runtime named a cgroup for: the id itself with
// the cgroupfs driver, cri-containerd-<id>.scope or crio-<id>.scope with systemd's.
func containerOf(name string) (string, bool) {
	id := name
	if scope, is := strings.CutSuffix(name, ".scope"); is {
		at := slices.IndexFunc(scopes, func(prefix string) bool { return strings.HasPrefix(scope, prefix) })
		if at < 0 {
			return "", false
		}
		id = scope[len(scopes[at]):]
	}
	return id, containerID.MatchString(id)
}
