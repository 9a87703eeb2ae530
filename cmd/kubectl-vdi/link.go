package main

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/activator/auth"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/token"
)

const (
	defaultTTL             = 8 * time.Hour
	defaultSystemNamespace = "vdi-system"
)

func (p *plugin) newLink() *cobra.Command {
	var ttl time.Duration
	var system string
	cmd := &cobra.Command{
		Use:   "link SESSION",
		Short: "Make a link that opens a session",
		Long: `Make a link that opens a session as its owner.

Anybody with the link has the desktop until it expires: send it like a password.
It is signed with the key of the installation that serves the session's namespace,
so you need the right to read that Secret, and the operator's ConfigMap for the address.
If the session is switched off, has failed or waits for something, a note says so.`,
		Example:           "  kubectl vdi link alice -n desktops --ttl 2h",
		Args:              one("session"),
		ValidArgsFunction: p.completeSession(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkTTL(ttl); err != nil {
				return err
			}
			c, s, err := p.findSession(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			link, note, err := makeLink(cmd.Context(), c, s, system, ttl)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(p.Out, link)
			if note != "" {
				_, _ = fmt.Fprintln(p.ErrOut, "Note:", note)
			}
			return err
		},
	}
	cmd.Flags().DurationVar(&ttl, "ttl", defaultTTL, "how long the link works")
	cmd.Flags().StringVar(&system, "system-namespace", "", "the namespace that the chart is installed in; by default that of the installation "+
		"that serves the session, or "+defaultSystemNamespace)
	return cmd
}

func checkTTL(ttl time.Duration) error {
	if ttl <= 0 || ttl > lifecycle.Longest {
		return fmt.Errorf("--ttl %s: must be above zero and %s or less, such as 8h", ttl, lifecycle.Longest)
	}
	return nil
}

// makeLink also returns what whoever opens the link has to expect, if it is not a desktop.
func makeLink(ctx context.Context, c client.Client, s *v1alpha1.VDISession, system string, ttl time.Duration) (link, note string, err error) {
	if err := expectURL(s); err != nil {
		return "", "", err
	}
	by, err := servedBy(ctx, c, s.Namespace, system)
	if err != nil {
		return "", "", err
	}
	signer, err := signingKey(ctx, c, by.namespace, by.Keys.Signing.Secret)
	if err != nil {
		return "", "", err
	}
	raw, err := signer.Sign(token.AudienceSession, token.For(s), time.Now(), ttl)
	if err != nil {
		return "", "", err
	}
	// Not status.url: whoever could write that would be sent the token.
	return by.URL.SessionURL(s.Namespace, s.Name) + "?" + url.Values{auth.QueryParameter: {raw}}.Encode(), noteOn(s), nil
}

// expectURL refuses a session that has no address yet.
func expectURL(s *v1alpha1.VDISession) error {
	if s.Status.URL == "" {
		return fmt.Errorf("session %s/%s has no URL yet: is the operator running? See kubectl describe vdi %[2]s --namespace %[1]s", s.Namespace, s.Name)
	}
	return nil
}

// noteOn says why a visit opens no desktop as the session is now; empty where it does.
func noteOn(s *v1alpha1.VDISession) string {
	switch phase := phaseOf(s); {
	case s.Spec.Power == v1alpha1.PowerOff:
		return fmt.Sprintf("session %s/%s is switched off, and the link opens no desktop before that ends: %s", s.Namespace, s.Name, setPower(s))
	case phase == v1alpha1.PhaseFailed || phase == v1alpha1.PhasePending:
		return fmt.Sprintf("session %s/%s is %s: %s", s.Namespace, s.Name, phase, inALine(s.Status.Message))
	}
	return ""
}

// servedBy is the installation whose links open the sessions of a namespace. Without system it
// is the one that has claimed the namespace.
func servedBy(ctx context.Context, c client.Client, namespace, system string) (installed, error) {
	claimed, err := holderOf(ctx, c, namespace)
	switch {
	case err != nil:
		return installed{}, fmt.Errorf("finding the installation that serves namespace %s: %w", namespace, err)
	case system != "" && claimed != "" && system != claimed:
		return installed{}, fmt.Errorf("the sessions of namespace %s are served by the installation in namespace %s, whose links alone open them, "+
			"and --system-namespace is %s: leave it out", namespace, claimed, system)
	}
	i, err := findInstallation(ctx, c, cmp.Or(system, claimed, defaultSystemNamespace))
	if err != nil {
		return i, err
	}
	if why := i.notServing(namespace); why != "" {
		return i, fmt.Errorf("no link would open a session of namespace %s: %s", namespace, why)
	}
	return i, nil
}

// signingKey reads the Secret of that name, or without one, as an operator of 0.1 leaves it, the
// only one with the label.
func signingKey(ctx context.Context, c client.Client, namespace, name string) (*token.Signer, error) {
	var secrets corev1.SecretList
	if name != "" {
		secret := corev1.Secret{}
		if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &secret); err != nil {
			return nil, fmt.Errorf("the signing key: %w", err)
		}
		return signerOf(&secret)
	}
	if err := c.List(ctx, &secrets, client.InNamespace(namespace), client.MatchingLabels{v1alpha1.LabelSigningKey: "true"}); err != nil {
		return nil, fmt.Errorf("finding the signing key in namespace %s: %w", namespace, err)
	}
	if n := len(secrets.Items); n != 1 {
		return nil, fmt.Errorf("namespace %s holds %d Secrets with the label %s=true, want 1: name the chart's namespace with "+
			"--system-namespace", namespace, n, v1alpha1.LabelSigningKey)
	}
	return signerOf(&secrets.Items[0])
}

func signerOf(secret *corev1.Secret) (*token.Signer, error) {
	signer, err := token.NewSigner(secret.Data[corev1.TLSPrivateKeyKey])
	if err != nil {
		return nil, fmt.Errorf("secret %s/%s: %w", secret.Namespace, secret.Name, err)
	}
	return signer, nil
}
