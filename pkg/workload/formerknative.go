package workload

import (
	"context"
	"fmt"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"knative.dev/serving/pkg/apis/serving"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// formerPage is how many Knative Services are listed at once.
const formerPage = 500

// formerKnative finds and removes the Knative Services of an installation that runs
// without Knative now. Nothing of Knative is watched for that: they are listed once,
// and no new ones come. Where Knative's definitions are gone, so are they.
type formerKnative struct {
	*Knative
	namespaces []string

	mu sync.Mutex
	// services are the Knative Services that are left, each with the UID of its
	// session; nil until they have been listed.
	services map[types.NamespacedName]types.UID
}

var _ former = (*formerKnative)(nil)

// left implements former.
func (f *formerKnative) left(ctx context.Context, s *v1alpha1.VDISession) (string, error) {
	has, err := f.hasService(ctx, s)
	if err != nil {
		return "", err
	}
	if has {
		return fmt.Sprintf("Knative Service %q", s.Name), nil
	}
	// Knative's objects outlive the Service by a moment.
	if deployment, err := f.deployment(ctx, s); err != nil || deployment != "" {
		return deployment, err
	}
	return podOf(ctx, f.Client, s, func(p *corev1.Pod) bool { return ofRevision(p) })
}

// Delete implements former.
func (f *formerKnative) Delete(ctx context.Context, s *v1alpha1.VDISession) (string, error) {
	remaining, err := f.Knative.Delete(ctx, s)
	if err != nil || remaining != "" {
		return remaining, err
	}
	// The name of the session is the name of the Service that Knative made for it.
	if remaining, err = placeholder(ctx, f.API, s); err != nil || remaining != "" {
		return remaining, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.services, client.ObjectKeyFromObject(s))
	return "", nil
}

// placeholder names the Service by which Knative gave the session its in-cluster name;
// empty where it is gone, or another one has the name. A Route passes the labels of a session's
// Knative Service on to it (serving v0.50.0, pkg/reconciler/route/resources/service.go); that
// of somebody else's Route has none, and does not go.
func placeholder(ctx context.Context, api client.Reader, s *v1alpha1.VDISession) (string, error) {
	service := &corev1.Service{}
	if err := api.Get(ctx, client.ObjectKeyFromObject(s), service); err != nil {
		return "", client.IgnoreNotFound(err)
	}
	if o := metav1.GetControllerOf(service); o == nil || o.Kind != "Route" || !strings.HasPrefix(o.APIVersion, serving.GroupName+"/") ||
		service.Labels[v1alpha1.LabelSession] != s.Name {
		return "", nil
	}
	return fmt.Sprintf("Service %q of its Knative Route", service.Name), nil
}

func (f *formerKnative) hasService(ctx context.Context, s *v1alpha1.VDISession) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.services == nil {
		found, err := f.list(ctx)
		if err != nil {
			return false, fmt.Errorf("find Knative Services from before: %w", err)
		}
		f.services = found
	}
	uid, has := f.services[client.ObjectKeyFromObject(s)]
	return has && uid == s.UID, nil
}

// list finds the Knative Services that belong to sessions.
func (f *formerKnative) list(ctx context.Context) (map[types.NamespacedName]types.UID, error) {
	namespaces := f.namespaces
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	found := map[types.NamespacedName]types.UID{}
	for _, namespace := range namespaces {
		for token, more := "", true; more; more = token != "" {
			page := &metav1.PartialObjectMetadataList{}
			page.SetGroupVersionKind(servingv1.SchemeGroupVersion.WithKind("ServiceList"))
			err := f.API.List(ctx, page, client.InNamespace(namespace), client.HasLabels{v1alpha1.LabelSession},
				client.Limit(formerPage), client.Continue(token))
			if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
				return found, nil
			}
			if err != nil {
				return nil, err
			}
			for i := range page.Items {
				o := &page.Items[i]
				if owner := metav1.GetControllerOf(o); owner != nil && strings.HasPrefix(owner.APIVersion, v1alpha1.GroupName+"/") {
					found[client.ObjectKeyFromObject(o)] = owner.UID
				}
			}
			token = page.Continue
		}
	}
	return found, nil
}
