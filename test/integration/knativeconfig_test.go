//go:build integration

package integration

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func TestKnativesConfigurationIsSetRepairedAndNeverFoughtOver(t *testing.T) {
	must(t, client.IgnoreAlreadyExists(api.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: knativeNamespace}})))
	const claim, nodes = "kubernetes.podspec-persistent-volume-claim", "kubernetes.podspec-nodeselector"
	features := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: knativeNamespace, Name: "config-features"},
		// An administrator wants this one otherwise, and has another spelling for that.
		Data: map[string]string{"_example": "text", nodes: "disabled", "kubernetes.podspec-affinity": "Enabled"},
	}
	must(t, api.Create(t.Context(), features, client.FieldOwner("administrator")))
	has := func(key, want string) func() error {
		return func() error {
			must(t, api.Get(t.Context(), client.ObjectKeyFromObject(features), features))
			if got := features.Data[key]; got != want {
				return fmt.Errorf("%s is %q, want %q", key, got, want)
			}
			return nil
		}
	}
	eventually(t, "what desktops need is set", has(claim, "enabled"))
	must(t, has("_example", "text")())
	must(t, has("kubernetes.podspec-affinity", "Enabled")())
	always(t, "what an administrator sets stays", has(nodes, "disabled"))
	eventually(t, "the conflict is told", func() error {
		list := &eventsv1.EventList{}
		must(t, api.List(t.Context(), list))
		for _, e := range list.Items {
			if e.Reason == "ConfigConflict" {
				wantText(t, e.Note, nodes, "administrator", "knative.applyConfig")
				return nil
			}
		}
		return fmt.Errorf("%d events, none of it", len(list.Items))
	})

	remove := fmt.Appendf(nil, `{"data":{%q:null}}`, claim)
	must(t, api.Patch(t.Context(), features, client.RawPatch(types.MergePatchType, remove), client.FieldOwner("administrator")))
	eventually(t, "what was taken away comes back", has(claim, "enabled"))
}
