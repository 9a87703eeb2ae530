package knativeconfig

import (
	"crypto/sha256"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// formerManager claimed the keys of every installation before each had a manager
	// of its own.
	formerManager = "vdi-operator"
	// managerLength is the longest field manager that Kubernetes takes, in bytes
	// (k8s.io/apimachinery v0.35, pkg/apis/meta/v1/validation: FieldManagerMaxLength).
	managerLength = 128
	// managerHashLength is how many hexadecimal digits stand for what is cut off.
	managerHashLength = 12
)

// FieldManager is the manager under which the installation called name in namespace
// claims keys. It is the installation's own: what two of them in a cluster both claim
// stays until the second gives it back.
func FieldManager(namespace, name string) client.FieldOwner {
	manager := formerManager + "." + namespace + "." + name
	if len(manager) > managerLength {
		hash := fmt.Sprintf("%x", sha256.Sum256([]byte(manager)))[:managerHashLength]
		manager = manager[:managerLength-managerHashLength-1] + "." + hash
	}
	return client.FieldOwner(manager)
}
