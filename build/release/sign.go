package release

import (
	"context"
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/org/vdi-operator/build/image"
	"github.com/org/vdi-operator/build/oci"
	"github.com/org/vdi-operator/build/provenance"
)

// push copies images and chart to the registry.
func (m *maker) push(ctx context.Context) error {
	if m.Registry == "" {
		return nil
	}
	rename := func(name string) string { return image.Rehost(name, m.Registry) }
	for i, p := range m.layouts {
		reference, err := oci.Registry{Insecure: m.Insecure}.PushLayout(ctx, p.layout, rename)
		if err != nil {
			return err
		}
		m.layouts[i].pushed = reference
		fmt.Fprintln(m.Progress, "   ", reference)
	}
	return nil
}

// publicKeyFile is what signatures are checked with.
const publicKeyFile = "cosign.pub"

// publicKey writes the public half of the key that signs, before anything is signed: the chart names
// it.
func (m *maker) publicKey(ctx context.Context) error {
	if m.Key == "" {
		return nil
	}
	cmd := exec.CommandContext(ctx, cosign, "public-key", "--key", m.Key)
	cmd.Stderr = m.Progress
	text, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("cosign public-key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return fmt.Errorf("cosign public-key --key %s printed no key in PEM: %q", m.Key, text)
	}
	m.signedBy = &hubKey{
		Fingerprint: fmt.Sprintf("%x", sha256.Sum256(block.Bytes)),
		URL:         fmt.Sprintf("%s/releases/download/%s/%s", image.Source, m.Builder.Version, publicKeyFile),
	}
	return m.write(publicKeyFile, text)
}

// sign signs the list of checksums, and what was pushed with how it was made.
func (m *maker) sign(ctx context.Context) error {
	if m.Key == "" {
		return nil
	}
	sums := filepath.Join(m.dir, checksumFile)
	if err := m.cosign(ctx, "sign-blob", "--bundle", sums+".sigstore.json", sums); err != nil {
		return err
	}
	for _, p := range m.layouts {
		if p.pushed == "" {
			continue
		}
		if err := m.signPushed(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

func (m *maker) signPushed(ctx context.Context, p product) error {
	var insecure []string
	if m.Insecure {
		insecure = []string{"--allow-insecure-registry", "--allow-http-registry"}
	}
	if err := m.cosign(ctx, "sign", append(slices.Clone(insecure), digested(p.pushed))...); err != nil {
		return err
	}
	scratch, done, err := m.Builder.Cache.Scratch("sign")
	if err != nil {
		return err
	}
	defer done()
	predicate := filepath.Join(scratch, "predicate.json")
	if err := os.WriteFile(predicate, p.predicate, 0o644); err != nil {
		return err
	}
	return m.cosign(ctx, "attest", append(slices.Clone(insecure), "--type", provenance.PredicateType, "--predicate", predicate, digested(p.pushed))...)
}

func (m *maker) cosign(ctx context.Context, command string, args ...string) error {
	cmd := exec.CommandContext(ctx, cosign, append([]string{command, "--yes", "--key", m.Key}, args...)...)
	cmd.Stdout, cmd.Stderr = m.Progress, m.Progress
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("cosign %s: %w", command, err)
	}
	return nil
}

// digested leaves the tag out of a reference with both: cosign signs digests.
func digested(reference string) string {
	name, digest, _ := strings.Cut(reference, "@")
	return name[:strings.LastIndex(name, ":")] + "@" + digest
}
