package cluster

import (
	"context"
	"fmt"

	"github.com/org/vdi-operator/test/cluster/internal/addons"
	"github.com/org/vdi-operator/test/cluster/internal/build"
)

// Definitions prints the files with the resource definitions of others that the chart
// makes resources of, one a line: the Prometheus Operator's, cert-manager's, Traefik's
// with the Gateway API's. They are put into the cache where it lacks them.
func (c *Cluster) Definitions(ctx context.Context) error {
	b := build.Builder{Cache: c.Cache, Log: c.Log}
	for _, gather := range []func(context.Context, build.Builder) (string, error){
		addons.PrometheusOperatorDefinitions, addons.CertManagerDefinitions, addons.TraefikDefinitions,
	} {
		file, err := gather(ctx, b)
		if err != nil {
			return err
		}
		fmt.Fprintln(c.Out, file)
	}
	return nil
}
