package command

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/org/vdi-operator/build/image"
	"github.com/org/vdi-operator/build/release"
)

func releaseCommand(s *settings) *cobra.Command {
	o := release.Options{}
	var plugins []string
	cmd := &cobra.Command{
		Use:   "release --version vX.Y.Z RECIPE.yaml...",
		Short: "Make all that a release has",
		Long: `Makes in OUT/VERSION the images of the recipes with what is in them (SPDX) and how they were
made (SLSA), the chart, the plugin for each platform with a manifest for krew, notes from the
changelog, and checksums. With --registry images and chart are pushed there too.

` + registryHelp + `

With COSIGN_KEY, a file or a key management system's URI, cosign signs what was made.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, recipes []string) (err error) {
			if o.Builder, err = s.builder(cmd); err != nil {
				return err
			}
			if o.Builder.Created.IsZero() || o.Builder.Revision == "" {
				return errors.New("SOURCE_DATE_EPOCH and --revision must name the commit's time and the commit: run this by make release")
			}
			if o.Kubectl, err = release.PluginTargets(plugins); err != nil {
				return err
			}
			o.Recipes, o.Progress, o.Helm = recipes, cmd.ErrOrStderr(), cmp.Or(os.Getenv("HELM"), "helm")
			o.Key, o.Maker = os.Getenv("COSIGN_KEY"), builtBy(os.Getenv("GITHUB_WORKFLOW_REF"))
			folder, err := release.Make(cmd.Context(), o)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), folder)
			return nil
		},
	}
	cmd.Flags().StringVar(&s.version, "version", "", "the release's tag")
	cmd.Flags().StringVar(&s.revision, "revision", "", "the release's commit")
	cmd.Flags().StringVar(&o.Out, "out", "out/release", "folder in which the release gets its own")
	forRegistry(cmd, &o.Registry, &o.Insecure)
	forPlatforms(cmd, &o.Platforms)
	cmd.Flags().StringSliceVar(&plugins, "plugin-platform", nil, "platforms to build the plugin for (default: all on which people run kubectl)")
	if err := cmd.MarkFlagRequired("version"); err != nil {
		panic(err) // only a misspelt flag name
	}
	return cmd
}

// builtBy names who makes a release: a workflow, such as
// org/vdi-operator/.github/workflows/release.yaml@refs/tags/v0.3.0, or a person.
func builtBy(workflow string) string {
	if workflow == "" {
		return image.Source + "/blob/main/docs/releases.md#by-hand"
	}
	return "https://github.com/" + workflow
}
