// kubectl-vdi is a kubectl plugin for the people who give out desktops:
// `kubectl vdi list`, `kubectl vdi link SESSION`.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

func main() {
	if err := newCommand(genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}).Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// plugin is what the subcommands share: kubectl's own flags and the streams.
type plugin struct {
	genericiooptions.IOStreams
	flags *genericclioptions.ConfigFlags
}

func newCommand(streams genericiooptions.IOStreams) *cobra.Command {
	p := &plugin{IOStreams: streams, flags: genericclioptions.NewConfigFlags(true)}
	cmd := &cobra.Command{
		Use:           "kubectl-vdi",
		Short:         "List desktop sessions and make links that open them",
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl vdi"},
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	p.flags.AddFlags(cmd.PersistentFlags())
	cmd.SetOut(streams.Out)
	cmd.SetErr(streams.ErrOut)
	cmd.AddCommand(p.newLink(), p.newList())
	return cmd
}

func (p *plugin) client() (client.Client, string, error) {
	namespace, _, err := p.flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, "", err
	}
	rc, err := p.flags.ToRESTConfig()
	if err != nil {
		return nil, "", err
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, "", err
		}
	}
	c, err := client.New(rc, client.Options{Scheme: scheme})
	return c, namespace, err
}
