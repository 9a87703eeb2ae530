package backup

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

func cluster(t *testing.T, objects ...client.Object) client.Client {
	t.Helper()
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		require.NoError(t, add(s))
	}
	return fake.NewClientBuilder().WithScheme(s).WithObjects(objects...).WithStatusSubresource(&v1alpha1.VDISession{}).Build()
}

func objectMeta(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: namespace, Name: name, UID: "old", ResourceVersion: "7", CreationTimestamp: metav1.Now(),
		ManagedFields:   []metav1.ManagedFieldsEntry{{Manager: "someone", Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1", FieldsType: "FieldsV1", FieldsV1: &metav1.FieldsV1{Raw: []byte("{}")}}},
		Finalizers:      []string{v1alpha1.FinalizerCleanup},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: "n", UID: "n"}},
		Labels:          map[string]string{"team": "blue"},
		Annotations:     map[string]string{"note": "kept", "kubectl.kubernetes.io/last-applied-configuration": "{}"},
	}
}

func template(name string) *v1alpha1.VDITemplate {
	return &v1alpha1.VDITemplate{ObjectMeta: objectMeta("", name), Spec: v1alpha1.VDITemplateSpec{Image: "desktop:1"}}
}

func session(namespace, name, template string) *v1alpha1.VDISession {
	s := &v1alpha1.VDISession{ObjectMeta: objectMeta(namespace, name), Spec: v1alpha1.VDISessionSpec{User: name + "@example.com", Template: template}}
	s.Status.URL, s.Status.Activity = "https://x/", &v1alpha1.SessionActivity{LastWakeTime: &metav1.MicroTime{Time: time.Now()}}
	return s
}

func home(namespace, name, volume string) *corev1.PersistentVolumeClaim {
	h := &corev1.PersistentVolumeClaim{ObjectMeta: objectMeta(namespace, name)}
	h.Labels[v1alpha1.LabelUser] = "hash"
	h.Annotations["pv.kubernetes.io/bind-completed"], h.Annotations[v1alpha1.AnnotationHeldBy] = "yes", "ada"
	h.Annotations[v1alpha1.AnnotationCreatedBy] = "a session's UID"
	h.Spec.VolumeName = volume
	h.Spec.DataSource = &corev1.TypedLocalObjectReference{Kind: "VolumeSnapshot", Name: "s"}
	return h
}

func secret(name string, labels map[string]string, key string) *corev1.Secret {
	s := &corev1.Secret{ObjectMeta: objectMeta("vdi-system", name), Data: map[string][]byte{key: []byte("very secret")}}
	s.Labels = labels
	return s
}

func whole() []client.Object {
	turn := map[string]string{"app.kubernetes.io/part-of": "vdi-operator", "app.kubernetes.io/component": "turn"}
	return []client.Object{
		template("kde"), template("xfce"), session("desktops", "ada", "kde"), session("lab", "bob", "xfce"),
		home("desktops", "vdi-home-1", "pv-1"), &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "desktops", Name: "other"}},
		secret("vdi-signing-key", map[string]string{v1alpha1.LabelSigningKey: "true"}, "tls.key"),
		secret("vdi-turn", turn, turnKey), secret("vdi-coturn", turn, "turnserver.conf"),
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "desktops", Name: "ada-turn"}},
	}
}

func written(t *testing.T, c client.Client, o Options) (text string, notes string) {
	t.Helper()
	b, err := Collect(t.Context(), c, o)
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, b.Write(&out))
	return out.String(), strings.Join(b.Notes, "\n")
}

func restore(t *testing.T, c client.Client, r Restorer, text string) (string, error) {
	t.Helper()
	objects, err := Read(strings.NewReader(text))
	require.NoError(t, err)
	var out bytes.Buffer
	r.Client, r.Out = c, &out
	err = r.Run(t.Context(), objects)
	return out.String(), err
}

func wants(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		assert.Contains(t, text, part, "want %q in:\n%s", part, text)
	}
}

func TestABackupHoldsWhatPeopleWroteAndNothingOfTheCluster(t *testing.T) {
	text, notes := written(t, cluster(t, whole()...), Options{})
	wants(t, text, "# VDI Operator: 0 Secrets, 2 VDITemplates, 1 PersistentVolumeClaims, 2 VDISessions.", "name: ada\n", "user: ada@example.com", "name: xfce", "image: desktop:1",
		"note: kept", "team: blue", "volumeName: pv-1", v1alpha1.AnnotationHeldBy+": ada")
	for _, no := range []string{"uid", "resourceVersion", "status", "managedFields", "finalizers", "ownerReferences", "creationTimestamp", "last-applied", "bind-completed",
		"very secret", "kind: Secret", "name: other", "dataSource", v1alpha1.AnnotationCreatedBy} {
		assert.NotContains(t, text, no, "is in the backup")
	}
	wants(t, notes, "The files in homes are not in this backup (homes: 1)")
}

func TestABackupOfOneNamespaceHoldsItsTemplatesOnly(t *testing.T) {
	going := session("desktops", "going", "kde")
	going.DeletionTimestamp = &metav1.Time{Time: time.Now()}
	text, notes := written(t, cluster(t, append(whole(), going, session("desktops", "eve", "none"))...), Options{Namespace: "desktops"})
	wants(t, text, "name: kde", "name: ada")
	wants(t, notes, "VDISession desktops/going is being deleted", "VDITemplate none, of which there are sessions, does not exist")
	require.NotContains(t, text, "xfce")
	require.NotContains(t, text, "bob")
	assert.NotContains(t, text, "name: going", "what is another namespace's, or goes, is in the backup")
}

func TestKeysAreInABackupThatAsksForThem(t *testing.T) {
	text, notes := written(t, cluster(t, whole()...), Options{Keys: true, System: "vdi-system"})
	wants(t, text, "name: vdi-signing-key", "name: vdi-turn", "2 Secrets")
	require.NotContains(t, text, "turnserver.conf")
	assert.NotContains(t, text, "ada-turn", "what is made from keys is in the backup")
	wants(t, notes, "can open every desktop")
	_, err := Collect(t.Context(), cluster(t), Options{Keys: true, System: "elsewhere"})
	assert.ErrorContains(t, err, "--system-namespace", "without a key")
}

func TestARestoreMakesWhatIsMissingAndSaysSo(t *testing.T) {
	text, _ := written(t, cluster(t, whole()...), Options{Keys: true, System: "vdi-system"})
	kept := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv-1"}}
	kept.Spec.ClaimRef = &corev1.ObjectReference{Namespace: "desktops", Name: "vdi-home-1", UID: "old", ResourceVersion: "7"}
	kept.Spec.PersistentVolumeReclaimPolicy, kept.Status.Phase = corev1.PersistentVolumeReclaimRetain, corev1.VolumeReleased
	edited := template("xfce")
	edited.Spec.Image = "desktop:2"
	c := cluster(t, kept, edited)
	out, err := restore(t, c, Restorer{}, text)
	require.NoError(t, err, out)
	wants(t, out, "created    Secret vdi-system/vdi-signing-key\n", "created    VDITemplate kde\n", "skipped    VDITemplate xfce (it exists and differs; --overwrite",
		"created    PersistentVolumeClaim desktops/vdi-home-1 (with its volume pv-1)\n", "created    VDISession desktops/ada\n", "created    VDISession lab/bob\n", "Links made before")
	require.LessOrEqual(t, strings.Index(out, "VDITemplate kde"), strings.Index(out, "VDISession desktops/ada"))
	assert.LessOrEqual(t, strings.Index(out, "vdi-home-1"), strings.Index(out, "VDISession desktops/ada"),
		"sessions come before what they need:\n%s", out)
	ada, claim := &v1alpha1.VDISession{}, &corev1.PersistentVolumeClaim{}
	require.NoError(t, c.Get(t.Context(), client.ObjectKey{Namespace: "desktops", Name: "ada"}, ada), "%+v", ada)
	require.Nil(t, ada.Status.Activity, "%+v", ada)
	assert.Equal(t, "ada@example.com", ada.Spec.User, "%+v", ada)
	require.NoError(t, c.Get(t.Context(), client.ObjectKey{Namespace: "desktops", Name: "vdi-home-1"}, claim), "%+v", claim.Spec)
	assert.Equal(t, "pv-1", claim.Spec.VolumeName, "%+v", claim.Spec)
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(kept), kept); err != nil || kept.Spec.ClaimRef.UID != "" || kept.Spec.ClaimRef.ResourceVersion != "" || kept.Spec.ClaimRef.Name != "vdi-home-1" {
		t.Errorf("%v: the volume waits for the claim that was deleted: %+v", err, kept.Spec.ClaimRef)
	}

	out, err = restore(t, c, Restorer{}, text)
	require.NoError(t, err)
	require.NotContains(t, out, "created")
	assert.NotContains(t, out, "Links", "a second time")
	wants(t, out, "unchanged  VDISession desktops/ada\n", "skipped    PersistentVolumeClaim desktops/vdi-home-1 (it exists, with what is in it)\n")
	out, err = restore(t, c, Restorer{Overwrite: true}, text)
	assert.NoError(t, err)
	wants(t, out, "replaced   VDITemplate xfce\n")
	require.NoError(t, c.Get(t.Context(), client.ObjectKeyFromObject(edited), edited))
	assert.Equal(t, "desktop:1", edited.Spec.Image)
}

func TestKeysCanBeRestoredBeforeTheChartIsInstalled(t *testing.T) {
	text, _ := written(t, cluster(t, whole()...), Options{Keys: true, System: "vdi-system"})
	out, err := restore(t, cluster(t), Restorer{KeysOnly: true}, text)
	require.NoError(t, err, out)
	assert.Equal(t, 2, strings.Count(out, "\n"), out)
	wants(t, out, "created    Secret vdi-system/vdi-signing-key\n", "created    Secret vdi-system/vdi-turn\n")
	text, _ = written(t, cluster(t, whole()...), Options{})
	_, err = restore(t, cluster(t), Restorer{KeysOnly: true}, text)
	assert.ErrorContains(t, err, "--with-keys", "of a file without keys")
}

func TestAHomeWhoseVolumeIsNotThereForItIsMadeEmpty(t *testing.T) {
	text, _ := written(t, cluster(t, whole()...), Options{Namespace: "desktops"})
	volume := func(change func(*corev1.PersistentVolume)) client.Object {
		pv := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv-1"}}
		pv.Spec.ClaimRef = &corev1.ObjectReference{Namespace: "desktops", Name: "vdi-home-1", UID: "old"}
		pv.Spec.PersistentVolumeReclaimPolicy, pv.Status.Phase = corev1.PersistentVolumeReclaimRetain, corev1.VolumeReleased
		change(pv)
		return pv
	}
	for name, objects := range map[string][]client.Object{
		"no volume":       nil,
		"somebody else's": {volume(func(pv *corev1.PersistentVolume) { pv.Spec.ClaimRef.Name = "another" })},
		"nobody's":        {volume(func(pv *corev1.PersistentVolume) { pv.Spec.ClaimRef = nil })},
		"in use":          {volume(func(pv *corev1.PersistentVolume) { pv.Status.Phase = corev1.VolumeBound })},
		"about to be erased": {volume(func(pv *corev1.PersistentVolume) {
			pv.Spec.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimDelete
		})},
	} {
		t.Run(name, func(t *testing.T) {
			c := cluster(t, objects...)
			out, err := restore(t, c, Restorer{}, text)
			require.NoError(t, err)
			wants(t, out, "created    PersistentVolumeClaim desktops/vdi-home-1 (a new home, empty: its volume pv-1 is not there for it)")
			claim := &corev1.PersistentVolumeClaim{}
			require.NoError(t, c.Get(t.Context(), client.ObjectKey{Namespace: "desktops", Name: "vdi-home-1"}, claim))
			assert.Empty(t, claim.Spec.VolumeName, "waits for the volume")
		})
	}
}

func TestAMissingTemplateIsSaidBeforeItsSessions(t *testing.T) {
	text := "apiVersion: vdi.kasm.io/v1alpha1\nkind: VDISession\nmetadata: {name: ada, namespace: desktops}\nspec: {user: ada, template: none}\n"
	c := cluster(t)
	out, err := restore(t, c, Restorer{}, text)
	assert.ErrorContains(t, err, "missing: 1")
	assert.True(t, strings.HasPrefix(out, "MISSING    VDITemplate none "), out)
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: "desktops", Name: "ada"}, &v1alpha1.VDISession{}); apierrors.IsNotFound(err) {
		t.Error("the session is not there to wait for it")
	}
}

func TestAFileThatIsNoBackupIsRefusedWithTheDocument(t *testing.T) {
	const good = "apiVersion: vdi.kasm.io/v1alpha1\nkind: VDITemplate\nmetadata: {name: kde}\nspec: {image: a}\n---\n"
	for name, tc := range map[string]struct{ text, says string }{
		"nothing":         {"# nothing\n", "holds no objects"},
		"no YAML":         {good + "{", "document 2 is no YAML"},
		"a key twice":     {good + "kind: A\nkind: B\n", "document 2 is no YAML"},
		"no kind":         {good + "metadata: {name: a}", "document 2: has no kind"},
		"another kind":    {good + "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: b}", "document 2: ConfigMap b/a (v1): a backup holds"},
		"no name":         {"apiVersion: vdi.kasm.io/v1alpha1\nkind: VDISession\nmetadata: {namespace: a}", "document 1: VDISession has no metadata.name"},
		"no namespace":    {"apiVersion: vdi.kasm.io/v1alpha1\nkind: VDISession\nmetadata: {name: a}", "document 1: VDISession a has no metadata.namespace"},
		"another's group": {"apiVersion: example.com/v1\nkind: VDISession\nmetadata: {name: a, namespace: b}", "take this out"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read(strings.NewReader(tc.text))
			assert.ErrorContains(t, err, tc.says)
		})
	}
	objects, err := Read(strings.NewReader("apiVersion: v1\nkind: List\nitems:\n- apiVersion: vdi.kasm.io/v1alpha1\n  kind: VDITemplate\n  metadata: {name: kde, uid: x}\n  spec: {image: a}\n"))
	require.NoError(t, err)
	require.Len(t, objects, 1)
	assert.Empty(t, objects[0].GetUID(), "what kubectl get -o yaml prints")
}
