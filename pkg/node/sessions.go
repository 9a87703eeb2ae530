package node

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/claims"
	"github.com/org/vdi-operator/pkg/node/desktops"
)

// +kubebuilder:rbac:groups="",resources=pods,verbs=list;watch
// +kubebuilder:rbac:groups=vdi.kasm.io,resources=vdisessions,verbs=get
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,resourceNames=vdi-desktops,verbs=get

// Sessions asks the API server what sessions say.
type Sessions struct {
	// API reads without a cache; its scheme has sessions and Leases.
	API client.Reader
	// Installation is config.Installation's String.
	Installation string
}

var _ desktops.Sessions = Sessions{}

// Ask says whether the session's status.doze is of the pod. A session that is gone runs: its pod
// is about to end. A pod without a session waits in a warm pool, and dozes until it has one.
func (s Sessions) Ask(ctx context.Context, session types.NamespacedName, pod types.UID) (desktops.Says, error) {
	holder, err := claims.Holder(ctx, s.API, session.Namespace)
	switch {
	case apierrors.IsForbidden(err): // nobody else is in a namespace whose Leases nobody may read
	case err != nil:
		return "", fmt.Errorf("who serves the namespace: %w", err)
	case holder != "" && holder != s.Installation:
		return desktops.NotOurs, nil
	}
	if session.Name == "" {
		return desktops.Dozes, nil
	}
	found := &v1alpha1.VDISession{}
	if err := s.API.Get(ctx, session, found); err != nil {
		if apierrors.IsNotFound(err) {
			return desktops.Runs, nil
		}
		return "", fmt.Errorf("the session: %w", err)
	}
	if doze := found.Status.Doze; doze != nil && doze.PodUID == pod {
		return desktops.Dozes, nil
	}
	return desktops.Runs, nil
}
