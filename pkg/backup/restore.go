package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Restorer makes the objects of a backup anew.
type Restorer struct {
	Client client.Client
	// Overwrite makes objects that exist as they are in the backup; homes stay as they
	// are in any case.
	Overwrite bool
	// CreateNamespaces makes namespaces that do not exist.
	CreateNamespaces bool
	// KeysOnly restores the keys and leaves the rest: for before an installation.
	KeysOnly bool
	// Out gets the result of each object, a line each.
	Out io.Writer
}

// What became of an object.
const (
	created   = "created"
	replaced  = "replaced"
	unchanged = "unchanged"
	skipped   = "skipped"
	missing   = "MISSING"
	failed    = "FAILED"
)

// Run restores the objects, those first that others refer to. An error says how many it
// could not restore; the others are.
func (r *Restorer) Run(ctx context.Context, objects []*unstructured.Unstructured) error {
	objects = slices.Clone(objects)
	if r.KeysOnly {
		objects = only(objects, secretKind)
		if len(objects) == 0 {
			return errors.New("the file holds no keys: it was made without --with-keys")
		}
	}
	slices.SortStableFunc(objects, func(a, b *unstructured.Unstructured) int { return cmp.Compare(rank(a), rank(b)) })
	results := map[string]int{}
	report := func(result, format string, args ...any) {
		results[result]++
		_, _ = fmt.Fprintf(r.Out, "%-10s "+format+"\n", append([]any{result}, args...)...)
	}
	sessions := 0
	templatesReported := false
	for _, o := range objects {
		if is(o, sessionKind) && !templatesReported {
			templatesReported = true
			for _, template := range r.missingTemplates(ctx, objects) {
				report(missing, "VDITemplate %s is neither in the file nor in the cluster: its sessions wait until it is made", template)
			}
		}
		result, note, err := r.restore(ctx, o)
		if err != nil {
			report(failed, "%s: %s", name(o), r.explain(o, err))
			continue
		}
		if note != "" {
			note = " (" + note + ")"
		}
		report(result, "%s%s", name(o), note)
		if result == created && is(o, sessionKind) {
			sessions++
		}
	}
	if sessions > 0 {
		_, _ = fmt.Fprintf(r.Out, "Links made before do not open the sessions that were created: a link is for one session object. Make new "+
			"ones with kubectl vdi link.\n")
	}
	switch bad, none := results[failed], results[missing]; {
	case bad > 0:
		return fmt.Errorf("%d of %d objects were not restored", bad, len(objects))
	case none > 0:
		return fmt.Errorf("templates of sessions are missing: %d", none)
	}
	return nil
}

// missingTemplates are those that sessions need and that are nowhere.
func (r *Restorer) missingTemplates(ctx context.Context, objects []*unstructured.Unstructured) []string {
	return slices.DeleteFunc(templatesOf(only(objects, sessionKind)), func(template string) bool {
		t := &unstructured.Unstructured{}
		t.SetGroupVersionKind(templateKind)
		return !apierrors.IsNotFound(r.Client.Get(ctx, client.ObjectKey{Name: template}, t))
	})
}

func (r *Restorer) restore(ctx context.Context, o *unstructured.Unstructured) (result, note string, err error) {
	there := &unstructured.Unstructured{}
	there.SetGroupVersionKind(o.GroupVersionKind())
	err = r.Client.Get(ctx, client.ObjectKeyFromObject(o), there)
	switch {
	case apierrors.IsNotFound(err):
		note, err := r.create(ctx, o)
		return created, note, err
	case err != nil:
		return "", "", err
	case there.GetDeletionTimestamp() != nil:
		return "", "", errors.New("one of this name is being deleted; restore again when it is gone")
	case is(o, homeKind):
		return skipped, "it exists, with what is in it", nil
	case equalDocument(clean(there), o):
		return unchanged, "", nil
	case !r.Overwrite:
		return skipped, "it exists and differs; --overwrite makes it as in the backup", nil
	}
	for field, value := range o.Object {
		if field != "metadata" {
			there.Object[field] = value
		}
	}
	there.SetLabels(labels.Merge(there.GetLabels(), o.GetLabels()))
	there.SetAnnotations(labels.Merge(there.GetAnnotations(), o.GetAnnotations()))
	return replaced, "", r.Client.Update(ctx, there)
}

func (r *Restorer) create(ctx context.Context, o *unstructured.Unstructured) (note string, err error) {
	o = o.DeepCopy()
	if is(o, homeKind) {
		if note, err = r.findVolume(ctx, o); err != nil {
			return "", err
		}
	}
	err = r.Client.Create(ctx, o)
	if !namespaceMissing(o, err) || !r.CreateNamespaces {
		return note, err
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: o.GetNamespace()}}
	if err := r.Client.Create(ctx, ns); client.IgnoreAlreadyExists(err) != nil {
		return "", fmt.Errorf("make namespace %s: %w", o.GetNamespace(), err)
	}
	return strings.TrimPrefix(note+", in a new namespace", ", "), r.Client.Create(ctx, o)
}

// namespaceMissing is whether an object could not be made because its namespace is not
// there.
func namespaceMissing(o *unstructured.Unstructured, err error) bool {
	var status apierrors.APIStatus
	return apierrors.IsNotFound(err) && errors.As(err, &status) && status.Status().Details != nil &&
		status.Status().Details.Kind == "namespaces" && status.Status().Details.Name == o.GetNamespace()
}

// findVolume makes a home's claim take its old volume if that is still there and waits
// for nobody else; otherwise the home is empty.
func (r *Restorer) findVolume(ctx context.Context, claim *unstructured.Unstructured) (note string, err error) {
	volume, _, _ := unstructured.NestedString(claim.Object, "spec", "volumeName")
	unstructured.RemoveNestedField(claim.Object, "spec", "volumeName")
	if volume == "" {
		return "a new home, empty", nil
	}
	pv := &corev1.PersistentVolume{}
	err = r.Client.Get(ctx, client.ObjectKey{Name: volume}, pv)
	gone := apierrors.IsNotFound(err)
	if err != nil && !gone {
		return "", fmt.Errorf("is its volume %s still there? %w", volume, err)
	}
	if gone || !awaits(pv, claim) {
		return fmt.Sprintf("a new home, empty: its volume %s is not there for it", volume), nil
	}
	base := pv.DeepCopy()
	if pv.Spec.ClaimRef != nil {
		// The claim that was deleted; what is left is the name of the one to come.
		pv.Spec.ClaimRef.UID, pv.Spec.ClaimRef.ResourceVersion = "", ""
		if err := r.Client.Patch(ctx, pv, client.MergeFrom(base)); err != nil {
			return "", fmt.Errorf("free its volume %s from the claim that was deleted: %w", volume, err)
		}
	}
	return "with its volume " + volume, unstructured.SetNestedField(claim.Object, volume, "spec", "volumeName")
}

// awaits is whether a volume stays and was this claim's.
func awaits(pv *corev1.PersistentVolume, claim *unstructured.Unstructured) bool {
	ref := pv.Spec.ClaimRef
	return pv.DeletionTimestamp.IsZero() &&
		(pv.Status.Phase == corev1.VolumeReleased || pv.Status.Phase == corev1.VolumeAvailable) &&
		pv.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimDelete &&
		ref != nil && ref.Namespace == claim.GetNamespace() && ref.Name == claim.GetName()
}

// explain says in words why an object could not be restored.
func (r *Restorer) explain(o *unstructured.Unstructured, err error) string {
	switch {
	case meta.IsNoMatchError(err):
		return fmt.Sprintf("the cluster does not know %ss; install the chart first", o.GetKind())
	case namespaceMissing(o, err):
		return fmt.Sprintf("namespace %q does not exist; make it, or restore with --create-namespaces", o.GetNamespace())
	}
	return err.Error()
}
