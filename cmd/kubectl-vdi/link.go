package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/activator/auth"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/token"
)

// operatorLabels are on the operator's configuration in the chart, whatever its name is.
var operatorLabels = map[string]string{"app.kubernetes.io/component": "operator"}

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
It is signed with the key that the chart installed, so you need the right to read
that Secret, and the operator's ConfigMap for the address.`,
		Example: "  kubectl vdi link alice -n desktops --ttl 2h",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if ttl <= 0 {
				return fmt.Errorf("--ttl %s: must be above zero, such as 8h", ttl)
			}
			c, namespace, err := p.client()
			if err != nil {
				return err
			}
			link, err := makeLink(cmd.Context(), c, types.NamespacedName{Namespace: namespace, Name: args[0]}, system, ttl)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(p.Out, link)
			return err
		},
	}
	cmd.Flags().DurationVar(&ttl, "ttl", defaultTTL, "how long the link works")
	cmd.Flags().StringVar(&system, "system-namespace", defaultSystemNamespace, "the namespace that the chart is installed in")
	return cmd
}

func makeLink(ctx context.Context, c client.Client, key types.NamespacedName, system string, ttl time.Duration) (string, error) {
	var s v1alpha1.VDISession
	if err := c.Get(ctx, key, &s); err != nil {
		return "", fmt.Errorf("session %s: %w", key, err)
	}
	if s.Status.URL == "" {
		return "", fmt.Errorf("session %s has no URL yet: is the operator running? See kubectl describe vdi %s", key, key.Name)
	}
	of, err := installationIn(ctx, c, system)
	if err != nil {
		return "", err
	}
	signer, err := signingKey(ctx, c, system, of.Keys.Signing.Secret)
	if err != nil {
		return "", err
	}
	raw, err := signer.Sign(token.AudienceSession, token.For(&s), time.Now(), ttl)
	if err != nil {
		return "", err
	}
	// Not status.url: whoever could write that would be sent the token.
	return of.URL.SessionURL(key.Namespace, key.Name) + "?" + url.Values{auth.QueryParameter: {raw}}.Encode(), nil
}

// installed is what the plugin reads of the operator's configuration: it may be older or newer
// than the operator.
type installed struct {
	URL  config.URL  `json:"url"`
	Keys config.Keys `json:"keys"`
}

// installationIn is the configuration of the installation in a namespace.
func installationIn(ctx context.Context, c client.Client, namespace string) (installed, error) {
	var maps corev1.ConfigMapList
	if err := c.List(ctx, &maps, client.InNamespace(namespace), client.MatchingLabels(operatorLabels)); err != nil {
		return installed{}, fmt.Errorf("finding the operator's configuration in namespace %s: %w", namespace, err)
	}
	maps.Items = slices.DeleteFunc(maps.Items, func(cm corev1.ConfigMap) bool { return cm.Data["config.yaml"] == "" })
	if n := len(maps.Items); n != 1 {
		return installed{}, fmt.Errorf("namespace %s holds %d ConfigMaps of an operator, want 1: name the chart's namespace "+
			"with --system-namespace", namespace, n)
	}
	file := installed{URL: config.Default().URL}
	if err := yaml.Unmarshal([]byte(maps.Items[0].Data["config.yaml"]), &file); err != nil {
		return installed{}, fmt.Errorf("ConfigMap %s/%s: %w", namespace, maps.Items[0].Name, err)
	}
	if file.URL.Domain == "" {
		return installed{}, fmt.Errorf("ConfigMap %s/%s: its config.yaml has no url.domain: is it the chart's?", namespace, maps.Items[0].Name)
	}
	return file, nil
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
