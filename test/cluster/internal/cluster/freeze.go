package cluster

import (
	"fmt"

	"github.com/org/vdi-operator/test/cluster/internal/process"
)

// Freeze makes one of the node's own programs stand still, for tests of its absence.
func (c *Cluster) Freeze(component string) error {
	return c.record(component, process.Record.Freeze)
}

// Thaw lets it go on.
func (c *Cluster) Thaw(component string) error { return c.record(component, process.Record.Thaw) }

func (c *Cluster) record(component string, do func(process.Record) error) error {
	r, ok := c.table.Read(component)
	if !ok {
		return fmt.Errorf("%q is no program of this cluster's that runs; see %q", component, "cluster status")
	}
	return do(r)
}
