// Package command is the command line: flags, help and which part does the work.
package command

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/org/vdi-operator/build/cache"
	"github.com/org/vdi-operator/build/repo"
)

// settings are what every command shares.
type settings struct {
	cache string
	state string
	repo  string
}

// New returns the program's command line.
func New() *cobra.Command {
	s := &settings{}
	root := &cobra.Command{
		Use:   "cluster",
		Short: "A real single-node Kubernetes with Knative, built from source",
		Long: `cluster builds and runs a real single-node Kubernetes with Knative Serving on this
machine: no container engine, no virtual machine, no downloads but Go modules and Debian
packages. It needs root, and takes away all it made with "cluster down".`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	flags := root.PersistentFlags()
	flags.StringVar(&s.cache, "cache", fromEnv("VDI_CACHE", string(cache.Default())), "folder for what is built, kept between clusters (env VDI_CACHE)")
	flags.StringVar(&s.state, "state", fromEnv("VDI_CLUSTER_STATE", "/var/lib/vdi-cluster"), "folder for the running cluster (env VDI_CLUSTER_STATE)")
	flags.StringVar(&s.repo, "repo", "", "the repository's root (default: found from the working folder, then from this program)")
	root.AddCommand(
		upCommand(s), downCommand(s), statusCommand(s), kubeconfigCommand(s), loadCommand(s), logsCommand(s),
		freezeCommand(s), thawCommand(s), buildCommand(s), assetsCommand(s), traefikCommand(s), knativeOperatorCommand(s), definitionsCommand(s), launchCommand(s), forwardCommand(),
	)
	return root
}

func fromEnv(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func (s *settings) cacheDir() cache.Dir {
	if absolute, err := filepath.Abs(s.cache); err == nil {
		return cache.Dir(absolute)
	}
	return cache.Dir(s.cache)
}

func (s *settings) repository() (string, error) {
	if s.repo != "" {
		return filepath.Abs(s.repo)
	}
	return repo.Root()
}
