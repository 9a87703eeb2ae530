package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/kubernetes"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

func (p *plugin) newLogs() *cobra.Command {
	which := &corev1.PodLogOptions{}
	var tail int64
	var since time.Duration
	cmd := &cobra.Command{
		Use:               "logs SESSION",
		Short:             "Print the log of an awake desktop",
		Long:              "Print the log of an awake desktop's container. A desktop's log goes with its pod when it sleeps.",
		Example:           "  kubectl vdi logs alice --namespace desktops --follow",
		Args:              one("session"),
		ValidArgsFunction: p.completeSession(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if tail >= 0 {
				which.TailLines = &tail
			}
			if since > 0 {
				which.SinceSeconds = new(int64(since.Seconds()))
			}
			return p.printLogs(cmd.Context(), args[0], which)
		},
	}
	cmd.Flags().BoolVarP(&which.Follow, "follow", "f", false, "go on as long as the desktop is awake")
	cmd.Flags().BoolVarP(&which.Previous, "previous", "p", false, "print the log of the container's start before this one")
	cmd.Flags().StringVarP(&which.Container, "container", "c", v1alpha1.ContainerDesktop, "the pod's container")
	cmd.Flags().Int64Var(&tail, "tail", -1, "print as many of the last lines; -1 is all")
	cmd.Flags().DurationVar(&since, "since", 0, "print what is not older than that; 0 is all")
	return cmd
}

func (p *plugin) printLogs(ctx context.Context, name string, which *corev1.PodLogOptions) error {
	_, s, err := p.findSession(ctx, name)
	if err != nil {
		return err
	}
	switch {
	case !lifecycle.Awake(s):
		return fmt.Errorf("session %s/%s is %s and has no pod: kubectl vdi wake %[2]s --namespace %[1]s --wait", s.Namespace, s.Name, phaseOf(s))
	case s.Status.PodName == "":
		return fmt.Errorf("session %s/%s has no pod yet: %s kubectl vdi describe %[2]s --namespace %[1]s says more",
			s.Namespace, s.Name, inALine(s.Status.Message))
	}
	log, err := p.logs(ctx, s.Namespace, s.Status.PodName, which)
	if err != nil {
		return fmt.Errorf("the log of pod %s/%s: %w", s.Namespace, s.Status.PodName, err)
	}
	defer func() { _ = log.Close() }()
	_, err = io.Copy(p.Out, log)
	return err
}

// readLogs reads them by kubectl's flags.
func readLogs(flags *genericclioptions.ConfigFlags) func(context.Context, string, string, *corev1.PodLogOptions) (io.ReadCloser, error) {
	return func(ctx context.Context, namespace, pod string, which *corev1.PodLogOptions) (io.ReadCloser, error) {
		rc, err := flags.ToRESTConfig()
		if err != nil {
			return nil, err
		}
		c, err := kubernetes.NewForConfig(rc)
		if err != nil {
			return nil, err
		}
		return c.CoreV1().Pods(namespace).GetLogs(pod, which).Stream(ctx)
	}
}
