package command

import (
	"fmt"

	"github.com/spf13/cobra"
)

func traefikCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "traefik",
		Short: "Load Traefik's image and apply its CRDs and the Gateway API's; print the image",
		Long: `Builds Traefik where the cache lacks it, loads its image into the running cluster and
applies the custom resource definitions that it serves: its own and the Gateway API's. It
deploys nothing. Standard output is the image's reference alone.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.open(cmd, nil)
			if err != nil {
				return err
			}
			reference, err := c.Traefik(cmd.Context())
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), reference)
			return nil
		},
	}
}
