// kubectl-vdi is a kubectl plugin for the people who give out desktops, and for those who use
// them: docs/kubectl-vdi.md lists its commands.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/version"
)

func main() {
	// An interrupted drain gives back what it has set.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newCommand(genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}).ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// plugin is what the subcommands share: the streams, and how to get a client and
// the namespace that kubectl's own flags ask for.
type plugin struct {
	genericiooptions.IOStreams
	client func() (client.Client, string, error)
	// logs reads a container's log.
	logs func(ctx context.Context, namespace, pod string, which *corev1.PodLogOptions) (io.ReadCloser, error)
	// browse opens an address in the person's browser.
	browse func(ctx context.Context, address string) error
	// now is the API server's time, which operator and activators have too, once it has answered.
	now func() time.Time
}

func newCommand(streams genericiooptions.IOStreams) *cobra.Command {
	flags, theirs := genericclioptions.NewConfigFlags(true), &serverClock{}
	cmd := newCommandFor(&plugin{IOStreams: streams, browse: browse, now: theirs.now, logs: readLogs(flags),
		client: func() (client.Client, string, error) { return connect(flags, theirs) }})
	flags.AddFlags(cmd.PersistentFlags())
	return cmd
}

func newCommandFor(p *plugin) *cobra.Command {
	cmd := &cobra.Command{
		Use:           "kubectl-vdi",
		Short:         "Create, open, share and watch desktop sessions, back them up, free nodes of them, and show the state of the installation",
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl vdi"},
		Version:       version.Get().String(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.SetOut(p.Out)
	cmd.SetErr(p.ErrOut)
	cmd.AddCommand(p.newBackup(), p.newCreate(), p.newDescribe(), p.newDrain(), p.newLink(), p.newList(), p.newLogs(), p.newOpen(), p.newOutOfService(),
		p.newRestore(), p.newShare(), p.newSleep(), p.newStatus(), p.newTemplates(), p.newTop(), p.newWake())
	return cmd
}

// one takes what a command is about, and says what that is where it is missing.
func one(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 {
			return nil
		}
		return fmt.Errorf("name one %s, not %d: %s", what, len(args), strings.TrimSpace(strings.Split(cmd.Example, "\n")[0]))
	}
}

func connect(flags *genericclioptions.ConfigFlags, theirs *serverClock) (client.Client, string, error) {
	namespace, _, err := flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, "", err
	}
	rc, err := flags.ToRESTConfig()
	if err != nil {
		return nil, "", err
	}
	rc.Wrap(theirs.watch)
	scheme := runtime.NewScheme()
	types := runtime.NewSchemeBuilder(clientgoscheme.AddToScheme, v1alpha1.AddToScheme)
	if err := types.AddToScheme(scheme); err != nil {
		return nil, "", err
	}
	c, err := client.New(rc, client.Options{Scheme: scheme})
	return c, namespace, err
}
