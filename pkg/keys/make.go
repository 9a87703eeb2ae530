package keys

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/keyset"
)

// TURNKey is the key of the TURN server's Secret under which the chart mounts it.
const TURNKey = "secret"

// KeysetKey is the key of a Secret with a set of package keyset, under which the chart mounts it.
const KeysetKey = "keys"

// Where a Secret with the signing key has the next key with its certificate, before that is used,
// and certificates of former ones, the newest first. What they have signed is good until a
// certificate's end.
const (
	NextKeyKey            = "next.key"
	NextCertificateKey    = "next.crt"
	FormerCertificatesKey = "former.crt"
)

// certificateYears is how long the certificate is said to be good. Nobody reads that while its
// key is in use: it only carries the public key, for a Secret of type kubernetes.io/tls must have one.
const certificateYears = 10

// secret is one of the operator's own. Without the label app.kubernetes.io/instance: Argo CD
// takes what has it for its application's, and would delete it as nothing that it renders. Helm
// would where the release has a Secret of this name, which somebody has deleted since.
func (k *Keeper) secret(key config.Key, component string, kind corev1.SecretType, data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: k.Installation.Namespace, Name: key.Secret, Labels: map[string]string{
			"app.kubernetes.io/name": "vdi-operator", "app.kubernetes.io/part-of": "vdi-operator",
			"app.kubernetes.io/component": component, "app.kubernetes.io/managed-by": "vdi-operator",
		}, Annotations: map[string]string{"helm.sh/resource-policy": "keep", v1alpha1.AnnotationKeySince: k.Now().UTC().Format(time.RFC3339)}},
		Type: kind, Data: data,
	}
}

func (k *Keeper) newTURNSecret() *corev1.Secret {
	// 26 characters each, of 32.
	return k.secret(k.Keys.TURN, "turn", corev1.SecretTypeOpaque, map[string][]byte{TURNKey: []byte(rand.Text() + rand.Text())})
}

func (k *Keeper) newKeyset(key config.Key, component string) *corev1.Secret {
	return k.secret(key, component, corev1.SecretTypeOpaque, map[string][]byte{KeysetKey: keyset.New().Bytes()})
}

func (k *Keeper) newSigningSecret() (*corev1.Secret, error) {
	key, cert, err := newSigningKey(k.Now())
	if err != nil {
		return nil, fmt.Errorf("make a signing key: %w", err)
	}
	s := k.secret(k.Keys.Signing, "auth", corev1.SecretTypeTLS, map[string][]byte{corev1.TLSPrivateKeyKey: key, corev1.TLSCertKey: cert})
	s.Labels[v1alpha1.LabelSigningKey] = "true"
	return s, nil
}

// newSigningKey makes a P-256 key and a certificate that it has signed itself, in PEM.
func newSigningKey(now time.Time) (key, cert []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	signed, err := certify(private, now, now.AddDate(certificateYears, 0, 0))
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), signed, nil
}

// certify makes a certificate of a key that the key has signed itself, in PEM.
func certify(private *ecdsa.PrivateKey, from, until time.Time) ([]byte, error) {
	template := &x509.Certificate{SerialNumber: big.NewInt(from.Unix()), Subject: pkix.Name{CommonName: "vdi-operator"},
		NotBefore: from, NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}), nil
}
