package uninstall

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// sayWhatStays names what is left on purpose, and how to remove that too.
func (u *Uninstaller) sayWhatStays(ctx context.Context) error {
	sessions, homes := map[string]int{}, map[string]int{}
	for _, namespace := range u.spaces() {
		list := &v1alpha1.VDISessionList{}
		if err := u.Client.List(ctx, list, client.InNamespace(namespace)); err != nil && !meta.IsNoMatchError(err) {
			return fmt.Errorf("list sessions: %w", err)
		}
		for i := range list.Items {
			sessions[list.Items[i].Namespace]++
		}
		claims := &corev1.PersistentVolumeClaimList{}
		if err := u.Client.List(ctx, claims, client.InNamespace(namespace), client.HasLabels{v1alpha1.LabelUser}); err != nil {
			return fmt.Errorf("list homes: %w", err)
		}
		for i := range claims.Items {
			homes[claims.Items[i].Namespace]++
		}
	}
	templates := &v1alpha1.VDITemplateList{}
	err := u.Client.List(ctx, templates)
	defined := !meta.IsNoMatchError(err)
	// Templates belong to the cluster: an installation of one namespace may not see them.
	if err != nil && defined && !apierrors.IsForbidden(err) {
		return fmt.Errorf("list templates: %w", err)
	}
	names := make([]string, 0, len(templates.Items))
	for i := range templates.Items {
		names = append(names, templates.Items[i].Name)
	}
	u.say("%s", stays(sessions, homes, names, defined))
	return nil
}

func stays(sessions, homes map[string]int, templates []string, defined bool) string {
	var lines, remove []string
	if len(homes) > 0 {
		lines = append(lines, "  homes (PersistentVolumeClaims): "+byNamespace(homes))
		remove = append(remove, "  kubectl delete pvc -l "+v1alpha1.LabelUser+" -n NAMESPACE     # the files in them are lost")
	}
	if len(sessions) > 0 {
		lines = append(lines, "  sessions (VDISessions): "+byNamespace(sessions))
	}
	if len(templates) > 0 {
		lines = append(lines, "  templates (VDITemplates): "+strings.Join(templates, ", "))
	}
	if defined {
		lines = append(lines, "  the definitions (CRDs) of VDISessions and VDITemplates")
		remove = append(remove, "  kubectl delete crd vdisessions."+v1alpha1.GroupName+" vditemplates."+v1alpha1.GroupName+"     # with all "+
			"sessions and templates")
	}
	if len(lines) == 0 {
		return "Nothing is left."
	}
	return "These stay, and an installation made later takes them up:\n" + strings.Join(lines, "\n") +
		"\nTo remove them too:\n" + strings.Join(remove, "\n")
}

// byNamespace is a total with its parts, such as "3: desktops 2, lab 1".
func byNamespace(counts map[string]int) string {
	total := 0
	parts := make([]string, 0, len(counts))
	for _, namespace := range slices.Sorted(maps.Keys(counts)) {
		total += counts[namespace]
		parts = append(parts, fmt.Sprintf("%s %d", namespace, counts[namespace]))
	}
	return fmt.Sprintf("%d: %s", total, strings.Join(parts, ", "))
}

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
