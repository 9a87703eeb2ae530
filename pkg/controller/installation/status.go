package installation

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

const (
	// LabelStatus marks the ConfigMap that holds an installation's conditions; its
	// value is the installation's name.
	LabelStatus = v1alpha1.GroupName + "/status-of"
	// ConditionsKey is the ConfigMap's key with the conditions: a list of
	// metav1.Condition in YAML.
	ConditionsKey = "conditions"
)

// StatusName names the ConfigMap that holds an installation's conditions.
func StatusName(installation string) string { return installation + "-status" }

// ReadStatus reads the conditions in such a ConfigMap.
func ReadStatus(cm *corev1.ConfigMap) ([]metav1.Condition, error) {
	var conditions []metav1.Condition
	if err := yaml.Unmarshal([]byte(cm.Data[ConditionsKey]), &conditions); err != nil {
		return nil, fmt.Errorf("config map %s/%s: %s: %w", cm.Namespace, cm.Name, ConditionsKey, err)
	}
	return conditions, nil
}

// noteBytes is the longest note of an Event (k8s.io/api v0.35, events/v1: Event.note).
const noteBytes = 1024

// EventNote is a text, cut to what an Event takes.
func EventNote(text string) string {
	const more = " …"
	if len(text) <= noteBytes {
		return text
	}
	return strings.ToValidUTF8(text[:noteBytes-len(more)], "") + more
}
