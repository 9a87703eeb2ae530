package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/pods"
)

func nodeThatIs(status corev1.ConditionStatus, taints ...corev1.Taint) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-1"}, Spec: corev1.NodeSpec{Taints: taints}, Status: corev1.NodeStatus{
		Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: status, Reason: "NodeStatusUnknown"}}}}
}

func TestANodeIsOutOfServiceOnlyIfItDoesNotAnswerAndSomebodySaysThatItIsOff(t *testing.T) {
	ada := awake("ada", time.Hour)
	pod := podOn("node-1", ada)
	pod.Spec.Volumes = []corev1.Volume{{Name: "home", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "vdi-home-1"}}}}
	const letGo = "Session desktops/ada: pod ada-1 with vdi-home-1 "
	for name, c := range map[string]struct {
		args          []string
		node          *corev1.Node
		prints, fails string
	}{
		"it is off":            {[]string{"node-1", "--powered-off"}, nodeThatIs(corev1.ConditionUnknown), letGo + "is let go.\nKubernetes deletes", ""},
		"kubelet is not ready": {[]string{"node-1", "--powered-off"}, nodeThatIs(corev1.ConditionFalse), "kubectl vdi out-of-service node-1 --undo", ""},
		"again":                {[]string{"node-1", "--powered-off"}, nodeThatIs(corev1.ConditionUnknown, pods.OutOfService), letGo, ""},
		"nobody vouches":       {[]string{"node-1"}, nodeThatIs(corev1.ConditionUnknown), letGo + "would be let go.\n", "powered off and stays so, then add --powered-off"},
		"it runs":              {[]string{"node-1", "--powered-off"}, nodeThatIs(corev1.ConditionTrue), "", "node node-1 is Ready: its desktops run"},
		"another one":          {[]string{"node-2", "--powered-off"}, nodeThatIs(corev1.ConditionUnknown), "", "node node-2:"},
		"it is back":           {[]string{"node-1", "--undo"}, nodeThatIs(corev1.ConditionTrue, pods.OutOfService), "Node node-1 is in service again", ""},
		"it never was":         {[]string{"node-1", "--undo"}, nodeThatIs(corev1.ConditionTrue), "Node node-1 is not out of service", ""},
		"both":                 {[]string{"node-1", "--undo", "--powered-off"}, nodeThatIs(corev1.ConditionUnknown), "", "none of the others can be"},
		"none":                 {nil, nodeThatIs(corev1.ConditionUnknown), "", "name one node, not 0"},
	} {
		t.Run(name, func(t *testing.T) {
			out, _, err := run(t, append([]string{"out-of-service"}, c.args...), c.node, ada, pod)
			assert.Contains(t, out, c.prints)
			if c.fails == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.fails)
		})
	}
}

func TestANodeWithoutDesktopsIsOutOfServiceToo(t *testing.T) {
	out, _, err := run(t, []string{"out-of-service", "node-1", "--powered-off"}, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-1"}})
	require.NoError(t, err)
	assert.Contains(t, out, "No desktop is there.")
}
