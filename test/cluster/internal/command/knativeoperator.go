package command

import "github.com/spf13/cobra"

func knativeOperatorCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "knative-operator",
		Short: "Deploy the Knative Operator; print a KnativeServing for what is installed",
		Long: `Builds the Knative Operator where the cache lacks it and deploys it in the running cluster.
Standard output is a KnativeServing, as YAML, with which it takes over the Knative Serving
that is there, with the same images. Nothing changes until that is applied.`,
		Example: "  cluster knative-operator | kubectl apply -f -",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.open(cmd, nil)
			if err != nil {
				return err
			}
			serving, err := c.KnativeOperator(cmd.Context())
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(serving)
			return err
		},
	}
}
