package workload

import (
	"cmp"

	"k8s.io/utils/ptr"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// DefaultGPUResource is what GPUs are counted in where the template says nothing.
const DefaultGPUResource = "nvidia.com/gpu"

// GPUs is how many GPUs a session's desktop asks for, and the extended resource that
// they are counted in.
func GPUs(t *v1alpha1.VDITemplate, s *v1alpha1.VDISession) (resource string, count int32) {
	count = ptr.Deref(t.Spec.Resources.DefaultGPU, defaultGPUs)
	if r := s.Spec.Resources; r != nil {
		count = ptr.Deref(r.GPU, count)
	}
	return cmp.Or(t.Spec.GPUResourceName, DefaultGPUResource), count
}
