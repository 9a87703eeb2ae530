//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/controller/installation"
	"github.com/org/vdi-operator/pkg/controller/knativeconfig"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/metrics"
)

const (
	claimKey, writeKey, nodesKey = "kubernetes.podspec-persistent-volume-claim", "kubernetes.podspec-persistent-volume-write", "kubernetes.podspec-nodeselector"
	affinityKey                  = "kubernetes.podspec-affinity"
	zeroKey                      = "allow-zero-initial-scale"
	// administrator changes what they like, with kubectl edit.
	administrator = client.FieldOwner("kubectl-edit")
)

// operating is an installation whose operator looks after a Knative, and tells how it
// does in the same namespace.
type operating struct {
	*testing.T
	knative, name string
	registry      *prometheus.Registry
	stop          func()
}

func operate(t *testing.T, knative, name string, change func(*knativeconfig.Reconciler)) *operating {
	t.Helper()
	o := &operating{T: t, knative: knative, name: name, registry: prometheus.NewRegistry()}
	counters := metrics.NewOperator(o.registry)
	conditions := installation.NewConditions(counters, v1alpha1.ConditionKnativeConfigured)
	reporter := &installation.Reporter{Client: api, Installation: config.Installation{Name: name, Namespace: knative},
		Deployment: name + "-operator", Conditions: conditions, Events: recorder}
	r := &knativeconfig.Reconciler{Client: api, Namespace: knative, Manager: o.manager(), Apply: true,
		Events: recorder, Metrics: counters, Conditions: conditions}
	if change != nil {
		change(r)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- r.Start(ctx) }()
	go func() { ended <- reporter.Start(ctx) }()
	o.stop = func() {
		cancel()
		require.NoError(t, errors.Join(<-ended, <-ended))
		o.stop = func() {}
	}
	t.Cleanup(func() { o.stop() })
	return o
}

func (o *operating) manager() client.FieldOwner {
	return knativeconfig.FieldManager("vdi-system", o.name)
}

// await waits until the installation says this of Knative's configuration.
func (o *operating) await(status metav1.ConditionStatus, reason string, says ...string) {
	o.Helper()
	eventually.NoError(o.T, fmt.Sprintf("KnativeConfigured=%s (%s)", status, reason), func() error {
		cm := &corev1.ConfigMap{}
		if err := api.Get(o.Context(), client.ObjectKey{Namespace: o.knative, Name: installation.StatusName(o.name)}, cm); err != nil {
			return err
		}
		conditions, err := installation.ReadStatus(cm)
		require.NoError(o.T, err)
		c := meta.FindStatusCondition(conditions, v1alpha1.ConditionKnativeConfigured)
		if c == nil || c.Status != status || c.Reason != reason {
			return fmt.Errorf("have %+v", c)
		}
		for _, part := range says {
			if !strings.Contains(c.Message, part) {
				return fmt.Errorf("%q is not in: %s", part, c.Message)
			}
		}
		return nil
	})
}

// counts is a counter's value.
func (o *operating) counts(name string, want float64) {
	o.Helper()
	eventually.NoError(o.T, fmt.Sprintf("%s is %v", name, want), func() error {
		families, err := o.registry.Gather()
		require.NoError(o.T, err)
		for _, f := range families {
			if f.GetName() == name && f.GetMetric()[0].GetCounter().GetValue() == want {
				return nil
			}
		}
		return fmt.Errorf("have %v", families)
	})
}

// release does what uninstalling does once the operator has stopped.
func (o *operating) release() []string {
	o.Helper()
	o.stop()
	released, err := knativeconfig.Release(o.Context(), api, o.knative, o.manager())
	require.NoError(o.T, err)
	return released
}

// configMap makes one of Knative's config maps as its YAML does, with what somebody has
// set there.
func configMap(t *testing.T, namespace, name string, by client.FieldOwner, data map[string]string) *corev1.ConfigMap {
	t.Helper()
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: map[string]string{"_example": "text"}}
	require.NoError(t, api.Create(t.Context(), cm, client.FieldOwner("kubectl-client-side-apply")))
	if len(data) > 0 {
		maps.Copy(cm.Data, data)
		require.NoError(t, api.Update(t.Context(), cm, by))
	}
	return cm
}

// installedByYAML makes both config maps in a namespace of the test's own.
func installedByYAML(t *testing.T, features map[string]string) (namespace string, cm *corev1.ConfigMap) {
	t.Helper()
	namespace = space(t)
	configMap(t, namespace, "config-autoscaler", administrator, nil)
	return namespace, configMap(t, namespace, "config-features", administrator, features)
}

func data(t *testing.T, cm *corev1.ConfigMap) map[string]string {
	t.Helper()
	now := &corev1.ConfigMap{}
	require.NoError(t, api.Get(t.Context(), client.ObjectKeyFromObject(cm), now))
	return now.Data
}

// has checks a key; "" is for one that is not there.
func has(t *testing.T, cm *corev1.ConfigMap, key, want string) func() error {
	return func() error {
		if got := data(t, cm)[key]; got != want {
			return fmt.Errorf("%s is %q, want %q", key, got, want)
		}
		return nil
	}
}

// edit changes keys as a person does; nil removes one.
func edit(t *testing.T, cm *corev1.ConfigMap, changes map[string]any) {
	t.Helper()
	raw, err := json.Marshal(map[string]any{"data": changes})
	require.NoError(t, err)
	require.NoError(t, api.Patch(t.Context(), cm.DeepCopy(), client.RawPatch(types.MergePatchType, raw), administrator))
}

func TestKnativesConfigurationIsSetRepairedAndNeverFoughtOver(t *testing.T) {
	t.Parallel()
	// An administrator wants one key otherwise, and has another spelling for a second.
	ns, features := installedByYAML(t, map[string]string{nodesKey: "disabled", affinityKey: "Enabled"})
	o := operate(t, ns, "vdi", nil)
	eventually.NoError(t, "what desktops need is set", has(t, features, claimKey, "enabled"))
	require.NoError(t, has(t, features, "_example", "text")())
	require.NoError(t, has(t, features, affinityKey, "Enabled")())
	o.await(metav1.ConditionFalse, v1alpha1.ReasonConflict, nodesKey, `"disabled"`, "kubectl-edit", "knative.applyConfig")
	awaitEvent(t, ns, "", v1alpha1.EventConfigConflict, nodesKey, "kubectl-edit", "knative.applyConfig")
	always(t, "what an administrator sets stays", has(t, features, nodesKey, "disabled"))
	o.counts("vdi_knative_config_conflicts_total", 1)
	o.counts("vdi_knative_config_corrections_total", 0)

	edit(t, features, map[string]any{claimKey: nil})
	eventually.NoError(t, "what was taken away comes back", has(t, features, claimKey, "enabled"))
	awaitEvent(t, ns, "", v1alpha1.EventConfigRestored, claimKey)
	o.counts("vdi_knative_config_corrections_total", 1)

	// What we own can be taken over: the one who did so is told of, not fought.
	edit(t, features, map[string]any{claimKey: "disabled"})
	o.await(metav1.ConditionFalse, v1alpha1.ReasonConflict, nodesKey, claimKey+` is "disabled"`)
	always(t, "who changes a key of ours keeps it", has(t, features, claimKey, "disabled"))

	edit(t, features, map[string]any{claimKey: nil, nodesKey: nil})
	o.await(metav1.ConditionTrue, v1alpha1.ReasonAsNeeded, "ConfigMap config-features", "ConfigMap config-autoscaler")
	require.NoError(t, has(t, features, nodesKey, "enabled")())
	o.counts("vdi_knative_config_conflicts_total", 2)
	o.counts("vdi_knative_config_corrections_total", 1)
}

func TestEveryKeyIsGivenBackAsItWas(t *testing.T) {
	t.Parallel()
	// Before, by an administrator: as needed, in another spelling, otherwise, and unknown to us.
	before := map[string]string{claimKey: "enabled", affinityKey: "Enabled", nodesKey: "disabled", "tag-header-based-routing": "enabled"}
	ns, features := installedByYAML(t, before)
	was := data(t, features)
	o := operate(t, ns, "vdi", nil)
	o.await(metav1.ConditionFalse, v1alpha1.ReasonConflict)
	require.NoError(t, has(t, features, writeKey, "enabled")())
	// While it runs, somebody else comes to need one of our keys.
	helm := corev1ac.ConfigMap(features.Name, ns).WithData(map[string]string{writeKey: "enabled"})
	require.NoError(t, api.Apply(t.Context(), helm, client.FieldOwner("helm")))

	assert.Equal(t, []string{"ConfigMap config-features", "ConfigMap config-autoscaler"}, o.release(), "released")
	was[writeKey] = "enabled"
	assert.Equal(t, was, data(t, features))
	assert.Empty(t, o.release(), "released a second time")
	// Nothing is made where nothing is.
	require.NoError(t, api.Delete(t.Context(), features))
	released, err := knativeconfig.Release(t.Context(), api, ns, o.manager())
	require.NoError(t, err)
	assert.Empty(t, released, "released")
	err = api.Get(t.Context(), client.ObjectKeyFromObject(features), features)
	require.NoError(t, client.IgnoreNotFound(err))
	assert.Error(t, err, "the config map is there again: %v", err)
}

func TestTwoInstallationsDoNotTakeEachOthersClaims(t *testing.T) {
	t.Parallel()
	ns, features := installedByYAML(t, nil)
	first, second := operate(t, ns, "first", nil), operate(t, ns, "second", nil)
	first.await(metav1.ConditionTrue, v1alpha1.ReasonAsNeeded)
	second.await(metav1.ConditionTrue, v1alpha1.ReasonAsNeeded)
	// Both own the key: neither is in the way of the other's end.
	eventually.NoError(t, "both claim", func() error { return claimedBy(t, features, first.manager(), second.manager()) })
	first.release()
	second.counts("vdi_knative_config_corrections_total", 0)
	require.NoError(t, has(t, features, claimKey, "enabled")())
	require.NoError(t, claimedBy(t, features, second.manager()))
	second.release()
	require.NoError(t, has(t, features, claimKey, "")())
}

// claimedBy checks who has applied something.
func claimedBy(t *testing.T, cm *corev1.ConfigMap, want ...client.FieldOwner) error {
	t.Helper()
	now := &corev1.ConfigMap{}
	require.NoError(t, api.Get(t.Context(), client.ObjectKeyFromObject(cm), now))
	var have []client.FieldOwner
	for _, entry := range now.ManagedFields {
		if entry.Operation == metav1.ManagedFieldsOperationApply {
			have = append(have, client.FieldOwner(entry.Manager))
		}
	}
	slices.Sort(have)
	if !slices.Equal(have, want) {
		return fmt.Errorf("claimed by %q, want %q", have, want)
	}
	return nil
}

func TestAnEarlierVersionsClaimIsHandedOver(t *testing.T) {
	t.Parallel()
	ns, features := installedByYAML(t, nil)
	former := corev1ac.ConfigMap(features.Name, ns).WithData(map[string]string{claimKey: "enabled", writeKey: "enabled"})
	require.NoError(t, api.Apply(t.Context(), former, client.FieldOwner("vdi-operator")))
	w, err := api.Watch(t.Context(), &corev1.ConfigMapList{}, client.InNamespace(ns), client.MatchingFields{"metadata.name": features.Name})
	require.NoError(t, err)
	lost := make(chan bool)
	go func() {
		defer close(lost)
		for e := range w.ResultChan() {
			if cm, ok := e.Object.(*corev1.ConfigMap); ok && cm.Data[claimKey] != "enabled" {
				lost <- true
				return
			}
		}
	}()
	o := operate(t, ns, "vdi", nil)
	eventually.NoError(t, "the claim is ours alone", func() error { return claimedBy(t, features, o.manager()) })
	o.stop()
	w.Stop()
	assert.False(t, <-lost, "on the way, the key was lost")
	o.release()
	require.NoError(t, has(t, features, claimKey, "")())
}

func TestAMissingKnativeIsToldAndWaitedFor(t *testing.T) {
	t.Parallel()
	ns := space(t)
	o := operate(t, ns, "vdi", nil)
	o.await(metav1.ConditionFalse, v1alpha1.ReasonNotFound, "config-features", ns, "install Knative Serving", "knative.namespace")
	features := configMap(t, ns, "config-features", administrator, nil)
	configMap(t, ns, "config-autoscaler", administrator, nil)
	o.await(metav1.ConditionTrue, v1alpha1.ReasonAsNeeded)
	require.NoError(t, has(t, features, claimKey, "enabled")())
	// And it may go, and come again.
	require.NoError(t, api.Delete(t.Context(), features))
	o.await(metav1.ConditionFalse, v1alpha1.ReasonNotFound, "config-features")
	features = configMap(t, ns, "config-features", administrator, nil)
	o.await(metav1.ConditionTrue, v1alpha1.ReasonAsNeeded)
	require.NoError(t, has(t, features, claimKey, "enabled")())
}

func TestWithoutApplyConfigItIsOnlyToldWhatIsAmiss(t *testing.T) {
	t.Parallel()
	ns, features := installedByYAML(t, nil)
	o := operate(t, ns, "vdi", func(r *knativeconfig.Reconciler) { r.Apply = false })
	o.await(metav1.ConditionFalse, v1alpha1.ReasonNotApplied, claimKey, zeroKey, "knative.applyConfig", "docs/knative.md")
	require.NoError(t, has(t, features, claimKey, "")())
	require.NoError(t, claimedBy(t, features))
}

func TestTheKnativeOperatorsResourceIsSetInsteadOfItsConfigMaps(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		before  map[string]any
		section string
	}{
		"where there is no spec":           {nil, "features"},
		"where nothing is set":             {map[string]any{}, "features"},
		"where another part is set":        {map[string]any{"version": "1.23.0"}, "features"},
		"where another config map is set":  {map[string]any{"config": map[string]any{"gc": map[string]any{"min-non-active-revisions": "0"}}}, "features"},
		"where an empty one is":            {map[string]any{"config": map[string]any{"features": map[string]any{}, "autoscaler": map[string]any{}}}, "features"},
		"where something is":               {map[string]any{"config": map[string]any{"features": map[string]any{affinityKey: "Enabled", claimKey: "enabled"}, "gc": map[string]any{"min-non-active-revisions": "0"}}}, "features"},
		"where config maps have full name": {map[string]any{"config": map[string]any{"config-features": map[string]any{affinityKey: "enabled"}}}, "config-features"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := knativeServing(t, tc.before)
			o := operate(t, k.namespace, "vdi", nil)
			o.await(metav1.ConditionFalse, v1alpha1.ReasonWaitingForKnativeOperator, "KnativeServing knative-serving", claimKey, zeroKey)
			assert.Equal(t, "enabled", k.set(tc.section)[writeKey], "%s is in the KnativeServing", writeKey)
			assert.Len(t, data(t, k.features), 1, "the config map was changed")
			k.write()
			o.await(metav1.ConditionTrue, v1alpha1.ReasonAsNeeded, "KnativeServing knative-serving")
			require.NoError(t, claimedBy(t, k.features))

			// Its claim is lost, and comes again.
			k.edit(tc.section, writeKey, nil)
			k.write()
			eventually.NoError(t, "the claim", func() error {
				if got := k.set(tc.section)[writeKey]; got != "enabled" {
					return fmt.Errorf("is %q", got)
				}
				return nil
			})
			o.counts("vdi_knative_config_corrections_total", 1)
			awaitEvent(t, k.namespace, "", v1alpha1.EventConfigRestored, writeKey)
			k.write()
			o.await(metav1.ConditionTrue, v1alpha1.ReasonAsNeeded)

			// Somebody has another mind.
			k.edit(tc.section, nodesKey, "disabled")
			k.write()
			o.await(metav1.ConditionFalse, v1alpha1.ReasonConflict, "config-features: "+nodesKey, `"disabled"`, "kubectl-edit")
			k.edit(tc.section, nodesKey, nil)
			k.write()
			eventually.NoError(t, "the key is ours again", func() error {
				if got := k.set(tc.section)[nodesKey]; got != "enabled" {
					return fmt.Errorf("is %q", got)
				}
				return nil
			})

			assert.Equal(t, []string{"KnativeServing knative-serving"}, o.release(), "released")
			assert.Equal(t, tc.before, k.spec())
			assert.Empty(t, o.release(), "released a second time")
		})
	}
}

// knativeServed is a Knative that the Knative Operator has installed. The operator itself
// does not run: what it would write, write does.
type knativeServed struct {
	*testing.T
	namespace            string
	object               *unstructured.Unstructured
	features, autoscaler *corev1.ConfigMap
}

func knativeServing(t *testing.T, spec map[string]any) *knativeServed {
	t.Helper()
	k := &knativeServed{T: t, namespace: space(t), object: &unstructured.Unstructured{Object: map[string]any{}}}
	if spec != nil {
		k.object.Object["spec"] = runtime.DeepCopyJSON(spec)
	}
	k.features = configMap(t, k.namespace, "config-features", "manifestival", nil)
	k.autoscaler = configMap(t, k.namespace, "config-autoscaler", "manifestival", nil)
	k.create()
	return k
}

// create makes the KnativeServing, to which the config maps belong from then on.
func (k *knativeServed) create() {
	k.Helper()
	k.object.SetGroupVersionKind(schema.GroupVersionKind{Group: "operator.knative.dev", Version: "v1beta1", Kind: "KnativeServing"})
	k.object.SetNamespace(k.namespace)
	k.object.SetName("knative-serving")
	require.NoError(k.T, api.Create(k.Context(), k.object, administrator))
	for _, cm := range []*corev1.ConfigMap{k.features, k.autoscaler} {
		require.NoError(k.T, api.Get(k.Context(), client.ObjectKeyFromObject(cm), cm))
		cm.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(k.object, k.object.GroupVersionKind())}
		require.NoError(k.T, api.Update(k.Context(), cm, client.FieldOwner("manifestival")))
	}
}

// set is what the KnativeServing says now for a config map.
func (k *knativeServed) set(section string) map[string]string {
	k.Helper()
	require.NoError(k.T, api.Get(k.Context(), client.ObjectKeyFromObject(k.object), k.object))
	set, _, err := unstructured.NestedStringMap(k.object.Object, "spec", "config", section)
	require.NoError(k.T, err)
	return set
}

func (k *knativeServed) edit(section, key string, value any) {
	k.Helper()
	raw, err := json.Marshal(map[string]any{"spec": map[string]any{"config": map[string]any{section: map[string]any{key: value}}}})
	require.NoError(k.T, err)
	require.NoError(k.T, api.Patch(k.Context(), k.object.DeepCopy(), client.RawPatch(types.MergePatchType, raw), administrator))
}

// write does what the Knative Operator does (v0.50.0, pkg/reconciler/common/config_maps.go).
func (k *knativeServed) write() {
	k.Helper()
	for _, cm := range []*corev1.ConfigMap{k.features, k.autoscaler} {
		set := k.set(cm.Name)
		if set == nil {
			set = k.set(strings.TrimPrefix(cm.Name, "config-"))
		}
		require.NoError(k.T, api.Get(k.Context(), client.ObjectKeyFromObject(cm), cm))
		cm.Data = map[string]string{"_example": "text"}
		maps.Copy(cm.Data, set)
		require.NoError(k.T, api.Update(k.Context(), cm, client.FieldOwner("manifestival")))
	}
}

// spec is all that the KnativeServing says; nil where it says nothing.
func (k *knativeServed) spec() map[string]any {
	k.Helper()
	require.NoError(k.T, api.Get(k.Context(), client.ObjectKeyFromObject(k.object), k.object))
	spec, _, err := unstructured.NestedMap(k.object.Object, "spec")
	require.NoError(k.T, err)
	return spec
}

func TestTheKnativeOperatorMayTakeOverAndLeaveAgain(t *testing.T) {
	t.Parallel()
	namespace, features := installedByYAML(t, nil)
	autoscaler := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "config-autoscaler"}}
	o := operate(t, namespace, "vdi", nil)
	o.await(metav1.ConditionTrue, v1alpha1.ReasonAsNeeded, "ConfigMap config-features")

	k := &knativeServed{T: t, namespace: namespace, object: &unstructured.Unstructured{}, features: features, autoscaler: autoscaler}
	k.create()
	o.await(metav1.ConditionTrue, v1alpha1.ReasonAsNeeded, "KnativeServing knative-serving")
	assert.Equal(t, "enabled", k.set("features")[writeKey], "%s is in the KnativeServing", writeKey)
	for _, cm := range []*corev1.ConfigMap{features, autoscaler} {
		require.NoError(t, api.Get(t.Context(), client.ObjectKeyFromObject(cm), cm))
		cm.OwnerReferences = nil
		require.NoError(t, api.Update(t.Context(), cm, client.FieldOwner("manifestival")))
	}
	o.await(metav1.ConditionTrue, v1alpha1.ReasonAsNeeded, "ConfigMap config-features")
	o.counts("vdi_knative_config_corrections_total", 0)

	want := []string{"KnativeServing knative-serving", "ConfigMap config-features", "ConfigMap config-autoscaler"}
	assert.Equal(t, want, o.release(), "released")
	assert.Nil(t, k.spec(), "the KnativeServing keeps")
	require.NoError(t, has(t, features, writeKey, "")())
}

func TestAKnativeServingMayChangeHowItNamesAConfigMap(t *testing.T) {
	t.Parallel()
	k := knativeServing(t, nil)
	o := operate(t, k.namespace, "vdi", nil)
	o.await(metav1.ConditionFalse, v1alpha1.ReasonWaitingForKnativeOperator)
	k.write()
	o.await(metav1.ConditionTrue, v1alpha1.ReasonAsNeeded)
	// From now on the Knative Operator does not read "features".
	k.edit("config-features", affinityKey, "enabled")
	k.write()
	eventually.NoError(t, "the keys are where they are read", func() error {
		if got := k.set("config-features")[writeKey]; got != "enabled" {
			return fmt.Errorf("%s is %q", writeKey, got)
		}
		if got := k.set("features"); len(got) > 0 {
			return fmt.Errorf("left behind: %v", got)
		}
		return nil
	})
	k.write()
	o.await(metav1.ConditionTrue, v1alpha1.ReasonAsNeeded)
	o.release()
	want := map[string]any{"config": map[string]any{"config-features": map[string]any{affinityKey: "enabled"}}}
	assert.Equal(t, want, k.spec())
}
