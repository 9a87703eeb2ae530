package command

import (
	"github.com/spf13/cobra"

	"github.com/org/vdi-operator/test/cluster/internal/cluster"
)

func freezeCommand(s *settings) *cobra.Command {
	return s.onComponent("freeze", "Make a program of the cluster stand still, as on a machine that hangs, until \"thaw\"", (*cluster.Cluster).Freeze)
}

func thawCommand(s *settings) *cobra.Command {
	return s.onComponent("thaw", "Let a frozen program go on", (*cluster.Cluster).Thaw)
}

func (s *settings) onComponent(name, short string, do func(*cluster.Cluster, string) error) *cobra.Command {
	return &cobra.Command{
		Use:   name + " COMPONENT",
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.open(cmd, nil)
			if err != nil {
				return err
			}
			return do(c, args[0])
		},
	}
}
