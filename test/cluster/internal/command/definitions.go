package command

import "github.com/spf13/cobra"

func definitionsCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "definitions",
		Short: "Print the files with the CRDs of others that the chart makes resources of",
		Long: `Prints the files with the custom resource definitions of the Prometheus Operator, of
cert-manager, of Traefik and of the Gateway API, one a line. They are taken from their
modules into the cache. It needs no cluster and applies nothing.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.open(cmd, nil)
			if err != nil {
				return err
			}
			return c.Definitions(cmd.Context())
		},
	}
}
