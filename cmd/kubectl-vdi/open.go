package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// opening is how a session is opened.
type opening struct {
	print, link bool
	ttl         time.Duration
	system      string
}

func (p *plugin) newOpen() *cobra.Command {
	var o opening
	cmd := &cobra.Command{
		Use:   "open SESSION",
		Short: "Open a session in your browser",
		Long: `Open a session in your browser, which wakes its desktop.

Where people sign in, the browser opens the session's address. Elsewhere, and with --link,
it opens a link that kubectl vdi link would make: that needs the right to read the signing
key, and makes you the session's owner.`,
		Example:           "  kubectl vdi open alice --namespace desktops",
		Args:              one("session"),
		ValidArgsFunction: p.completeSession(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkTTL(o.ttl); err != nil {
				return err
			}
			return p.open(cmd.Context(), args[0], o)
		},
	}
	cmd.Flags().BoolVar(&o.print, "print", false, "print the address, and open nothing")
	cmd.Flags().BoolVar(&o.link, "link", false, "make a link also where people sign in")
	cmd.Flags().DurationVar(&o.ttl, "ttl", time.Hour, "how long the link works")
	cmd.Flags().StringVar(&o.system, "system-namespace", "", "the namespace that the chart is installed in, as for kubectl vdi link")
	return cmd
}

func (p *plugin) open(ctx context.Context, name string, o opening) error {
	c, s, err := p.findSession(ctx, name)
	if err != nil {
		return err
	}
	address, note, err := addressOf(ctx, c, s, o)
	if err != nil {
		return err
	}
	if note != "" {
		_, _ = fmt.Fprintln(p.ErrOut, "Note:", note)
	}
	if o.print {
		_, err := fmt.Fprintln(p.Out, address)
		return err
	}
	if err := p.browse(ctx, address); err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.Out, "Your browser opens %s\n", s.Status.URL)
	return err
}

// addressOf is where a browser opens a session. Who may not read the installation's configuration
// cannot make a link either.
func addressOf(ctx context.Context, c client.Client, s *v1alpha1.VDISession, o opening) (address, note string, err error) {
	if err := expectURL(s); err != nil {
		return "", "", err
	}
	by, err := servedBy(ctx, c, s.Namespace, o.system)
	if !o.link && (apierrors.IsForbidden(err) || err == nil && by.signsIn()) {
		return s.Status.URL, noteOn(s), nil
	}
	if err != nil {
		return "", "", err
	}
	return makeLink(ctx, c, s, o.system, o.ttl)
}
