// Package oci brings images and what belongs to them into registries and folders, as the OCI
// specifications have them. It knows nothing of how they are made.
package oci

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Registry is where images are pushed. Credentials are those of docker's or podman's
// configuration file.
type Registry struct {
	// Insecure speaks plain HTTP, or TLS whose certificate nobody checks.
	Insecure bool
}

// Push writes an image or an index with all that it names under a reference, with a tag or a
// digest.
func (r Registry) Push(ctx context.Context, reference string, what remote.Taggable) error {
	ref, err := name.ParseReference(reference, r.options()...)
	if err != nil {
		return fmt.Errorf("image reference: %w", err)
	}
	if err := remote.Push(ref, what, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
		return fmt.Errorf("push %s: %w%s", reference, err, remedy(err, ref.Context().RegistryStr()))
	}
	return nil
}

func (r Registry) options() []name.Option {
	if r.Insecure {
		return []name.Option{name.Insecure}
	}
	return nil
}

// remedy says what to do about the errors that a first push meets.
func remedy(err error, host string) string {
	var answer *transport.Error
	switch {
	case errors.As(err, &answer) && (answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden):
		return fmt.Sprintf(": the registry does not let you push: run docker login %s, or name a folder with a config.json that has credentials for it in DOCKER_CONFIG", host)
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return ": it speaks no TLS: say INSECURE=true (--insecure)"
	}
	return ""
}
