package command

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/org/vdi-operator/test/cluster/internal/cluster"
	"github.com/org/vdi-operator/test/cluster/internal/forward"
	"github.com/org/vdi-operator/test/cluster/internal/layout"
)

// open returns the cluster of the settings. adapt may fill in what only one command needs.
func (s *settings) open(cmd *cobra.Command, adapt func(*cluster.Options) error) (*cluster.Cluster, error) {
	state, err := filepath.Abs(s.state)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	options := cluster.Options{
		Layout: layout.Layout(state), Cache: s.cacheDir(), Self: self,
		Out: cmd.OutOrStdout(), Log: cmd.ErrOrStderr(),
	}
	if adapt != nil {
		if err := adapt(&options); err != nil {
			return nil, err
		}
	}
	return cluster.New(options)
}

// needsRepo fills in the repository, for commands that build.
func (s *settings) needsRepo(o *cluster.Options) (err error) {
	o.Repo, err = s.repository()
	return err
}

// defaultGPUs lets two GPU desktops run and a third one wait.
const defaultGPUs = 2

func upCommand(s *settings) *cobra.Command {
	var gpus int
	var publish []string
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Build what is missing, start the cluster and wait until it is ready",
		Long: `Installs the Debian packages the node needs, builds what the cache lacks, starts the
cluster and waits until everything is ready. When the cluster is up already this says so;
when parts of it have died, or an earlier "up" was interrupted, it repairs them. The flags
describe the cluster as it shall be, so give them again when running "up" again.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.open(cmd, func(o *cluster.Options) error {
				if gpus < 0 {
					return fmt.Errorf("--gpus %d: want none or more", gpus)
				}
				o.GPUs = gpus
				for _, text := range publish {
					if text == "" {
						continue // --publish= for none
					}
					mapping, err := forward.ParseMapping(text)
					if err != nil {
						return err
					}
					o.Publish = append(o.Publish, mapping)
				}
				return s.needsRepo(o)
			})
			if err != nil {
				return err
			}
			return c.Up(cmd.Context())
		},
	}
	cmd.Flags().IntVar(&gpus, "gpus", defaultGPUs, "how many nvidia.com/gpu the node offers")
	cmd.Flags().StringSliceVar(&publish, "publish", []string{"127.0.0.1:8080=30080", "127.0.0.1:5556=30556"},
		"ADDRESS:PORT=NODEPORT: a TCP port of this machine that leads to a node port (repeatable; empty for none)")
	return cmd
}

func downCommand(s *settings) *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use:   "down",
		Short: "End the cluster and remove everything it put on this machine",
		Long: `Ends every process of the cluster, removes its mounts, links, packet rules and control
groups, and deletes the state folder with all volumes. The cache stays. It is no error when
no cluster runs.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.open(cmd, nil)
			if err != nil {
				return err
			}
			return c.Down(cmd.Context(), keep)
		},
	}
	cmd.Flags().BoolVar(&keep, "keep-data", false, "keep the state folder, for the next \"up\" to go on from")
	return cmd
}

func statusCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show what runs; fails unless the cluster is up and ready",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.open(cmd, nil)
			if err != nil {
				return err
			}
			return c.Status(cmd.Context())
		},
	}
}

func kubeconfigCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:     "kubeconfig",
		Short:   "Print the path of the administrator's kubeconfig",
		Example: "  export KUBECONFIG=$(cluster kubeconfig)",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.open(cmd, nil)
			if err != nil {
				return err
			}
			file, err := c.Kubeconfig()
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), file)
			return nil
		},
	}
}

func loadCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "load IMAGE.tar...",
		Short: "Import docker-archive or OCI image tars into the cluster",
		Long: `Imports images so that pods can use them without any registry. An image that the node
has already, to the last byte, is skipped. Give pods imagePullPolicy Never or IfNotPresent.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, archives []string) error {
			c, err := s.open(cmd, nil)
			if err != nil {
				return err
			}
			return c.Load(cmd.Context(), archives)
		},
	}
}

func logsCommand(s *settings) *cobra.Command {
	var lines int
	var follow bool
	cmd := &cobra.Command{
		Use:   "logs [COMPONENT]",
		Short: "Print a component's log; without a name, list the components",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.open(cmd, nil)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), strings.Join(c.Components(), "\n"))
				return nil
			}
			return c.Logs(cmd.Context(), args[0], lines, follow)
		},
	}
	cmd.Flags().IntVarP(&lines, "lines", "n", 200, "how many lines from the end")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on printing what is logged")
	return cmd
}

func buildCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "build",
		Short: "Build everything into the cache, without starting anything",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.open(cmd, s.needsRepo)
			if err != nil {
				return err
			}
			return c.Build(cmd.Context())
		},
	}
}

func assetsCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "assets",
		Short: "Print a folder with kube-apiserver, etcd and kubectl, building them if needed",
		Long: `Prints a folder as controller-runtime's envtest wants it. Nothing else is printed to
standard output, and no cluster is needed.`,
		Example: "  KUBEBUILDER_ASSETS=$(cluster assets) go test -C test ./integration/...",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.open(cmd, nil)
			if err != nil {
				return err
			}
			dir, err := c.Assets(cmd.Context())
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), dir)
			return nil
		},
	}
}

// launchCommand is how the supervisor starts a program; see process.Launch.
func launchCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:    "launch NAME FINGERPRINT PROGRAM [ARGUMENT...]",
		Hidden: true,
		Args:   cobra.MinimumNArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.open(cmd, nil)
			if err != nil {
				return err
			}
			return c.Launch(args[0], args[1], args[2:])
		},
	}
}

// forwardCommand is the program behind a published port.
func forwardCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "forward LISTEN TARGET",
		Hidden: true,
		Args:   cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			var config net.ListenConfig
			listener, err := config.Listen(cmd.Context(), "tcp", args[0])
			if err != nil {
				return err
			}
			return forward.Serve(cmd.Context(), listener, args[1], slog.New(slog.NewTextHandler(os.Stderr, nil)))
		},
	}
}
