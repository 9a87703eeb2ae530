package check

import (
	"context"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/controller/installation"
	"github.com/org/vdi-operator/pkg/workload"
)

// definitions checks that the API server knows the kinds that the operator needs.
func (c *Checker) definitions(context.Context) finding {
	const what = "API definitions"
	var missing, there []string
	for _, kind := range c.Kinds {
		_, err := c.Client.RESTMapper().RESTMapping(kind.GroupKind(), kind.Version)
		switch {
		case meta.IsNoMatchError(err):
			missing = append(missing, kind.Kind+" ("+kind.Group+")")
		case err != nil:
			return bad(what, err, "see whether the API server answers")
		default:
			there = append(there, kind.Kind)
		}
	}
	if len(missing) > 0 {
		return bad(what, "missing: "+strings.Join(missing, ", "),
			"install Knative Serving for the kinds of knative.dev, and set crds.enabled=true for those of vdi.kasm.io")
	}
	return good(what, "%s", strings.Join(there, ", "))
}

// deployment checks that a program runs.
func (c *Checker) deployment(what string, key types.NamespacedName) check {
	return one(func(ctx context.Context) finding { return c.running(ctx, what, key) })
}

func (c *Checker) running(ctx context.Context, what string, key types.NamespacedName) finding {
	remedy := fmt.Sprintf("kubectl -n %s describe deployment %s, and kubectl -n %s logs deployment/%s", key.Namespace, key.Name,
		key.Namespace, key.Name)
	d := &appsv1.Deployment{}
	if err := c.Client.Get(ctx, key, d); err != nil {
		return bad(what, err, remedy)
	}
	wanted := workload.Replicas(d)
	seen := fmt.Sprintf("%d of %d replicas of Deployment %s are ready", d.Status.ReadyReplicas, wanted, key)
	switch {
	case wanted == 0:
		return bad(what, seen, "somebody stopped it: scale it up, or run helm upgrade")
	case d.Status.ObservedGeneration < d.Generation || !available(d):
		return bad(what, seen, remedy)
	case d.Status.ReadyReplicas < wanted:
		return warned(bad(what, seen, remedy))
	}
	return good(what, "%s", seen)
}

func available(d *appsv1.Deployment) bool {
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentAvailable {
			return c.Status == corev1.ConditionTrue && d.Status.ReadyReplicas > 0
		}
	}
	return false
}

// conditions checks what the operator says of itself and of Knative.
func (c *Checker) conditions(ctx context.Context) finding {
	const what = "operator's conditions"
	key := types.NamespacedName{Namespace: c.Config.Installation.Namespace, Name: installation.StatusName(c.Config.Installation.Name)}
	logs := fmt.Sprintf("the operator writes it when it leads: kubectl -n %s logs deployment/%s", c.Operator.Namespace, c.Operator.Name)
	cm := &corev1.ConfigMap{}
	if err := c.Client.Get(ctx, key, cm); apierrors.IsNotFound(err) {
		return bad(what, fmt.Sprintf("there is no ConfigMap %s", key), logs)
	} else if err != nil {
		return bad(what, err, logs)
	}
	conditions, err := installation.ReadStatus(cm)
	if err != nil {
		return bad(what, err, "delete the ConfigMap; the operator writes it anew")
	}
	if len(conditions) == 0 {
		return bad(what, fmt.Sprintf("ConfigMap %s has none", key), logs)
	}
	var names, unmet []string
	judge := warned // what the operator may not see need not be wrong
	for _, c := range conditions {
		names = append(names, c.Type)
		if c.Status != metav1.ConditionTrue {
			if c.Reason != v1alpha1.ReasonForbidden {
				judge = func(f finding) finding { return f }
			}
			unmet = append(unmet, fmt.Sprintf("%s is %s (%s): %s", c.Type, c.Status, c.Reason, strings.Join(strings.Fields(c.Message), " ")))
		}
	}
	if len(unmet) > 0 {
		return judge(bad(what, strings.Join(unmet, "; "), "do what the message says"))
	}
	return good(what, "%s", strings.Join(names, ", "))
}
