package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/org/vdi-operator/pkg/version"
)

// RegisterBuildInfo registers vdi_build_info, which is always 1 and says by its labels
// what the program was built from.
func RegisterBuildInfo(reg prometheus.Registerer) {
	i := version.Get()
	with(reg).NewGaugeVec(prometheus.GaugeOpts{
		Name: "vdi_build_info", Help: "What the program was built from; always 1."}, []string{"version", "revision", "goversion"}).
		WithLabelValues(i.Version, i.Revision, i.Go).Set(1)
}
