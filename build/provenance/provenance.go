// Package provenance says of what is built from which sources and by whom, as an in-toto statement
// of SLSA's provenance (https://slsa.dev/spec/v1.0/provenance). Nobody has signed it: who wants to
// rely on it signs it, as a release with a key does.
package provenance

import (
	"bytes"
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	slsa "github.com/in-toto/attestation/go/predicates/provenance/v1"
	intoto "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

const (
	// MediaType is that of a statement.
	MediaType = "application/vnd.in-toto+json"
	// PredicateType is what a statement says.
	PredicateType = "https://slsa.dev/provenance/v1"
	// buildType says how to read the parameters.
	buildType = "https://github.com/org/vdi-operator/blob/main/docs/releases.md#provenance"
)

// Build is how something was made.
type Build struct {
	// Source is the repository, Revision its commit, and Version the tag.
	Source, Revision, Version string
	// Recipe is the file that describes the product, relative to the repository.
	Recipe string
	// Platforms it was built for.
	Platforms []string
	// Go is the compiler's version.
	Go string
	// Builder names who ran the build, as a URI.
	Builder string
}

// Statement is the whole statement about a product, and Predicate what it says. There is no time
// in them, so equal products have equal ones.
func (b Build) Statement(name string, digest v1.Hash) (statement, predicate []byte, err error) {
	said, err := b.predicate()
	if err != nil {
		return nil, nil, err
	}
	s := &intoto.Statement{
		Type:          intoto.StatementTypeUri,
		Subject:       []*intoto.ResourceDescriptor{{Name: name, Digest: map[string]string{digest.Algorithm: digest.Hex}}},
		PredicateType: PredicateType,
		Predicate:     said,
	}
	if err := s.Validate(); err != nil {
		return nil, nil, fmt.Errorf("provenance of %s: %w", name, err)
	}
	if statement, err = stable(s); err != nil {
		return nil, nil, err
	}
	predicate, err = stable(said)
	return statement, predicate, err
}

func (b Build) predicate() (*structpb.Struct, error) {
	platforms := make([]any, len(b.Platforms))
	for i, p := range b.Platforms {
		platforms[i] = p
	}
	source := "git+" + b.Source + "@refs/tags/" + b.Version
	parameters, err := structpb.NewStruct(map[string]any{"source": source, "recipe": b.Recipe, "platforms": platforms})
	if err != nil {
		return nil, err
	}
	p := &slsa.Provenance{
		BuildDefinition: &slsa.BuildDefinition{
			BuildType: buildType, ExternalParameters: parameters,
			ResolvedDependencies: []*intoto.ResourceDescriptor{
				{Uri: source, Digest: map[string]string{"gitCommit": b.Revision}},
				{Name: "go", Uri: "pkg:golang/toolchain@" + b.Go},
			},
		},
		RunDetails: &slsa.RunDetails{Builder: &slsa.Builder{Id: b.Builder}},
	}
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("provenance: %w", err)
	}
	raw, err := protojson.Marshal(p)
	if err != nil {
		return nil, err
	}
	said := &structpb.Struct{}
	return said, protojson.Unmarshal(raw, said)
}

// stable writes a message the same way each time: protojson adds spaces at random.
func stable(m proto.Message) ([]byte, error) {
	raw, err := protojson.Marshal(m)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return nil, err
	}
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err = encoder.Encode(value)
	return out.Bytes(), err
}
