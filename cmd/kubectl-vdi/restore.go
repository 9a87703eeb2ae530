package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/org/vdi-operator/pkg/backup"
)

func (p *plugin) newRestore() *cobra.Command {
	var file string
	var r backup.Restorer
	cmd := &cobra.Command{
		Use:   "restore",
		Short: "Make templates, sessions and the claims of homes from a backup",
		Long: `Make templates, sessions and the claims of homes from a backup.

What exists is left alone, homes always. A restored session is asleep and finds its
home by its user and template. Restore homes' volumes first, where you have a backup
of them: a home that is not there is made anew, and empty.`,
		Example: "  kubectl vdi restore -f backup.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return errors.New("name the backup with -f, such as -f backup.yaml; -f - reads stdin")
			}
			in := p.In
			if file != "-" {
				f, err := os.Open(file)
				if err != nil {
					return err
				}
				defer func() { _ = f.Close() }()
				in = f
			}
			objects, err := backup.Read(in)
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			c, _, err := p.client()
			if err != nil {
				return err
			}
			r.Client, r.Out = c, p.Out
			return r.Run(cmd.Context(), objects)
		},
	}
	cmd.Flags().StringVarP(&file, "filename", "f", "", "the backup; - is stdin")
	cmd.Flags().BoolVar(&r.Overwrite, "overwrite", false, "make templates, sessions and keys that exist as they are in the backup")
	cmd.Flags().BoolVar(&r.KeysOnly, "keys-only", false, "restore the keys alone, as before the chart is installed")
	cmd.Flags().BoolVar(&r.CreateNamespaces, "create-namespaces", false, "make namespaces that do not exist")
	return cmd
}
