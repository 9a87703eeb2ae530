package command

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/org/vdi-operator/test/cluster/internal/image"
)

func imageCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "image",
		Short: "Build container images without a container engine",
	}
	cmd.AddCommand(imageBuildCommand(s), imagePushCommand())
	return cmd
}

func imageBuildCommand(s *settings) *cobra.Command {
	var tag, out string
	cmd := &cobra.Command{
		Use:   "build SPEC.yaml...",
		Short: "Build images from spec files into docker-archive tars",
		Long: `Builds each spec into OUT/<name of the spec>.tar and prints the image's reference.

Go programs are compiled statically; Debian packages come from the mirror this machine's
apt is set up with, and their root filesystem is kept in the cache. The same sources give
the same bytes.`,
		Example: "  cluster image build --tag dev --out out build/*.yaml test/images/*.yaml",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, specs []string) error {
			root, err := s.repository()
			if err != nil {
				return err
			}
			builder := image.Builder{Root: root, Cache: s.cacheDir(), Version: tag, Log: cmd.ErrOrStderr()}
			for _, file := range specs {
				spec, err := image.ReadSpec(file)
				if err != nil {
					return err
				}
				img, err := builder.Build(cmd.Context(), spec)
				if err != nil {
					return err
				}
				reference := spec.Name + ":" + tag
				base := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
				if err := image.WriteArchive(filepath.Join(out, base+".tar"), reference, img); err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), reference)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&tag, "tag", "dev", "tag of the images")
	cmd.Flags().StringVar(&out, "out", "out", "folder for the tars")
	return cmd
}

func imagePushCommand() *cobra.Command {
	var registry string
	var insecure bool
	cmd := &cobra.Command{
		Use:   "push --registry REGISTRY IMAGE.tar...",
		Short: "Push built images to a registry",
		Long: `Pushes each image to REGISTRY under the path and tag of its own name: with
--registry registry.example.com the image ghcr.io/org/x:dev becomes
registry.example.com/org/x:dev. Credentials come from docker's or podman's config file.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, tars []string) error {
			for _, file := range tars {
				references, err := image.Push(cmd.Context(), file, strings.TrimSuffix(registry, "/"), insecure)
				if err != nil {
					return err
				}
				for _, reference := range references {
					fmt.Fprintln(cmd.OutOrStdout(), reference)
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&registry, "registry", "", "where to push, such as registry.example.com or localhost:5000")
	cmd.Flags().BoolVar(&insecure, "insecure", false, "speak plain HTTP to the registry")
	if err := cmd.MarkFlagRequired("registry"); err != nil {
		panic(err) // only a misspelt flag name
	}
	return cmd
}
