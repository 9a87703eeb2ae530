package helmrelease

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

// stored is what Helm stores of a revision.
func stored(name string, revision int, status string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "vdi-system", Name: fmt.Sprintf("sh.helm.release.v1.%s.v%d", name, revision),
		Labels: map[string]string{"owner": "helm", "name": name, "version": fmt.Sprint(revision), "status": status}}
}

func secret(name string, revision int, status string) client.Object {
	return &corev1.Secret{ObjectMeta: stored(name, revision, status)}
}

func TestOnlyAReleaseThatHelmUninstallsNowIsUninstalling(t *testing.T) {
	for name, tc := range map[string]struct {
		storage Storage
		objects []client.Object
		says    string
	}{
		"it is":            {Secret, []client.Object{secret("vdi", 1, "superseded"), secret("vdi", 2, "uninstalling")}, ""},
		"in a ConfigMap":   {ConfigMap, []client.Object{&corev1.ConfigMap{ObjectMeta: stored("vdi", 1, "uninstalling")}}, ""},
		"after a rollback": {Secret, []client.Object{secret("vdi", 9, "superseded"), secret("vdi", 10, "uninstalling")}, ""},
		"it is deployed": {Secret, []client.Object{secret("vdi", 1, "deployed")},
			"the release vdi in namespace vdi-system is deployed, by Helm's Secret sh.helm.release.v1.vdi.v1"},
		"an uninstall failed, and an upgrade mended it": {Secret, []client.Object{secret("vdi", 9, "uninstalling"), secret("vdi", 10, "deployed")},
			"is deployed, by Helm's Secret sh.helm.release.v1.vdi.v10"},
		"another one is":   {Secret, []client.Object{secret("other", 1, "uninstalling")}, `no Secret of Helm's for a release "vdi"`},
		"stored elsewhere": {ConfigMap, []client.Object{secret("vdi", 1, "uninstalling")}, `no ConfigMap of Helm's for a release "vdi"`},
		"there is none":    {Secret, nil, `namespace vdi-system has no Secret of Helm's`},
	} {
		t.Run(name, func(t *testing.T) {
			c := fake.NewClientBuilder().WithObjects(tc.objects...).Build()
			err := Release{Name: "vdi", Namespace: "vdi-system", Storage: tc.storage}.Uninstalling(t.Context(), c)
			if tc.says == "" {
				assert.NoError(t, err)
			} else {
				assert.ErrorContains(t, err, tc.says)
			}
		})
	}
}

func TestAReleaseThatCannotBeIsRefused(t *testing.T) {
	assert.NoError(t, Release{Name: "vdi", Storage: ConfigMap}.Validate())
	assert.ErrorContains(t, Release{Storage: Secret}.Validate(), "give its name")
	assert.ErrorContains(t, Release{Name: "vdi", Storage: "sql"}.Validate(), `"sql": must be Secret or ConfigMap`)
}
