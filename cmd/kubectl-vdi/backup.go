package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/org/vdi-operator/pkg/backup"
)

func (p *plugin) newBackup() *cobra.Command {
	var o backup.Options
	var all bool
	cmd := &cobra.Command{
		Use:   "backup",
		Short: "Write templates, sessions and the claims of homes to a file",
		Long: `Write templates, sessions and the claims of homes to stdout, as YAML.

The files in homes are not in it: their volumes need a backup of their own. Nor is
when a session was last used: a session that is restored is asleep.`,
		Example: "  kubectl vdi backup -A > backup.yaml\n  kubectl vdi backup -A --with-keys | gpg --encrypt -r ops > backup.yaml.gpg",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, namespace, err := p.client()
			if err != nil {
				return err
			}
			if !all {
				o.Namespace = namespace
			}
			b, err := backup.Collect(cmd.Context(), c, o)
			if err != nil {
				return err
			}
			for _, note := range b.Notes {
				_, _ = fmt.Fprintln(p.ErrOut, note)
			}
			if len(b.Objects) == 0 {
				return fmt.Errorf("there is nothing to back up in namespace %s; -A takes all namespaces", namespace)
			}
			return b.Write(p.Out)
		},
	}
	cmd.Flags().BoolVarP(&all, "all-namespaces", "A", false,
		"all namespaces and all templates; without it the sessions of one namespace and their templates")
	cmd.Flags().BoolVar(&o.Keys, "with-keys", false, "add the Secrets with the key that signs links and the TURN secret")
	cmd.Flags().StringVar(&o.System, "system-namespace", defaultSystemNamespace, "the namespace that the chart is installed in")
	return cmd
}
