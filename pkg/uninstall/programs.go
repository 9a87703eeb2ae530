package uninstall

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/pods"
)

// stopPrograms stops the operator, which would make anew what is taken away, and waits
// for it; and the activator, which would ask for desktops that nobody starts. The
// activator is not waited for: it ends when its last connection does, and that ends with
// the desktop.
func (u *Uninstaller) stopPrograms(ctx context.Context, until time.Time) error {
	operator, err := u.scaleToZero(ctx, u.Operator)
	if err != nil {
		return err
	}
	if _, err := u.scaleToZero(ctx, u.Activator); err != nil {
		return err
	}
	if operator == nil {
		return nil
	}
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	for {
		left, err := u.running(ctx, operator)
		switch {
		case err == nil && left == "":
			return nil
		case err != nil && ctx.Err() == nil && apierrors.IsForbidden(err):
			return err
		}
		if !pause(ctx) {
			u.say("The operator's pod %q has not ended in time; going on without it. If it still runs, sessions may get their finalizer "+
				"again.", left)
			return nil
		}
	}
}

// scaleToZero returns the Deployment as it was; nil where there is none.
func (u *Uninstaller) scaleToZero(ctx context.Context, key types.NamespacedName) (*appsv1.Deployment, error) {
	d := &appsv1.Deployment{}
	if err := u.Client.Get(ctx, key, d); apierrors.IsNotFound(err) {
		u.say("There is no Deployment %s: nothing to stop.", key)
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("read Deployment %s: %w", key, err)
	}
	patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"replicas":0}}`))
	err := u.Client.SubResource("scale").Patch(ctx, d.DeepCopy(), patch, client.WithSubResourceBody(&autoscalingv1.Scale{}))
	if err != nil {
		return nil, fmt.Errorf("stop Deployment %s: %w", key, err)
	}
	u.say("Stopped Deployment %s.", key)
	return d, nil
}

// running names a pod of the Deployment that has not ended; empty without one.
func (u *Uninstaller) running(ctx context.Context, d *appsv1.Deployment) (string, error) {
	all, err := pods.OfDeployment(ctx, u.Client, d)
	for i := range all {
		if !pods.Ended(&all[i]) {
			return all[i].Name, nil
		}
	}
	return "", err
}
