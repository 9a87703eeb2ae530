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

// Check reports whether images can be pushed under a name, before much is built.
func (r Registry) Check(repository string) error {
	ref, err := name.ParseReference(repository, r.options()...)
	if err != nil {
		return fmt.Errorf("image reference: %w", err)
	}
	if err := remote.CheckPushPermission(ref, authn.DefaultKeychain, remote.DefaultTransport); err != nil {
		return r.explain(err, repository)
	}
	return nil
}

// Push writes an image or an index with all that it names under a reference, with a tag or a
// digest.
func (r Registry) Push(ctx context.Context, reference string, what remote.Taggable) error {
	ref, err := name.ParseReference(reference, r.options()...)
	if err != nil {
		return fmt.Errorf("image reference: %w", err)
	}
	if err := remote.Push(ref, what, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
		return r.explain(err, reference)
	}
	return nil
}

func (r Registry) options() []name.Option {
	if r.Insecure {
		return []name.Option{name.Insecure}
	}
	return nil
}

// explain says of the errors that a first push meets what to do.
func (r Registry) explain(err error, reference string) error {
	host, _, _ := strings.Cut(reference, "/")
	var answer *transport.Error
	remedy := ""
	switch {
	case errors.As(err, &answer) && (answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden):
		remedy = fmt.Sprintf(": the registry does not let you push: run docker login %s, or name a folder with a config.json that has credentials for it in DOCKER_CONFIG", host)
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		remedy = ": it speaks no TLS: say INSECURE=true (--insecure)"
	}
	return fmt.Errorf("push %s: %w%s", reference, err, remedy)
}
