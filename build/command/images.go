package command

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/org/vdi-operator/build/image"
	"github.com/org/vdi-operator/build/oci"
)

// registryHelp says what becomes of an image's name.
const registryHelp = `With --registry registry.example.com/vdi the image ghcr.io/org/x becomes
registry.example.com/vdi/org/x, which is what the chart asks for with the value
global.imageRegistry=registry.example.com/vdi.`

func imagesCommand(s *settings) *cobra.Command {
	var out, registry string
	cmd := &cobra.Command{
		Use:   "images RECIPE.yaml...",
		Short: "Build images for this machine's architecture into docker-archive tars",
		Long: `Builds each recipe into OUT/<name of the recipe>.tar and prints the image's reference.

` + registryHelp,
		Example: "  builder images --tag dev --out out build/*.yaml test/images/*.yaml",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, recipes []string) error {
			return s.eachRecipe(cmd, recipes, func(ctx context.Context, b image.Builder, spec image.Spec, file string) (string, error) {
				img, err := b.Build(ctx, spec)
				if err != nil {
					return "", err
				}
				reference := image.Rehost(spec.Name, registry) + ":" + s.tag
				base := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
				return reference, image.WriteArchive(filepath.Join(out, base+".tar"), reference, img)
			})
		},
	}
	s.forImages(cmd)
	cmd.Flags().StringVar(&out, "out", "out", "folder for the tars")
	cmd.Flags().StringVar(&registry, "registry", "", "registry in place of the host of the images' names")
	return cmd
}

func pushCommand(s *settings) *cobra.Command {
	var registry string
	var platforms []string
	var insecure bool
	cmd := &cobra.Command{
		Use:   "push --registry REGISTRY RECIPE.yaml...",
		Short: "Build images for several architectures and push them to a registry",
		Long: `Builds each recipe for every platform, pushes it as one image and prints its reference.
Credentials come from docker's or podman's configuration file.

` + registryHelp,
		Example: "  builder push --tag 0.2.0 --registry registry.example.com/vdi build/*.yaml",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, recipes []string) error {
			arches, err := image.Architectures(platforms)
			if err != nil {
				return err
			}
			to := oci.Registry{Insecure: insecure}
			return s.eachRecipe(cmd, recipes, func(ctx context.Context, b image.Builder, spec image.Spec, _ string) (string, error) {
				reference := image.Rehost(spec.Name, registry) + ":" + s.tag
				if err := to.Check(reference); err != nil {
					return "", err
				}
				index, err := b.Index(ctx, spec, arches)
				if err != nil {
					return "", err
				}
				return reference, to.Push(ctx, reference, index)
			})
		},
	}
	s.forImages(cmd)
	forRegistry(cmd, &registry, &insecure)
	forPlatforms(cmd, &platforms)
	if err := cmd.MarkFlagRequired("registry"); err != nil {
		panic(err) // only a misspelt flag name
	}
	return cmd
}

func forRegistry(cmd *cobra.Command, registry *string, insecure *bool) {
	cmd.Flags().StringVar(registry, "registry", "", "where to push, such as registry.example.com/vdi or localhost:5000")
	cmd.Flags().BoolVar(insecure, "insecure", false, "speak plain HTTP to the registry, or TLS without checking its certificate")
}

func forPlatforms(cmd *cobra.Command, platforms *[]string) {
	cmd.Flags().StringSliceVar(platforms, "platform", image.Platforms(), "platforms to build for")
}

// eachRecipe hands over each recipe, and prints the reference of what was made of it.
func (s *settings) eachRecipe(cmd *cobra.Command, recipes []string, each func(context.Context, image.Builder, image.Spec, string) (string, error)) error {
	b, err := s.builder(cmd)
	if err != nil {
		return err
	}
	for _, file := range recipes {
		spec, err := image.ReadSpec(file)
		if err != nil {
			return err
		}
		reference, err := each(cmd.Context(), b, spec, file)
		if err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), reference)
	}
	return nil
}
