package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Keys are the Secrets with the installation's keys, in its namespace.
type Keys struct {
	// Signing has the key that signs links and pods' tokens, and a certificate for it.
	Signing Key `json:"signing"`
	// TURN has what activators share with the TURN server.
	TURN Key `json:"turn"`
	// Visits has the keys with which activators sign visitors' cookies: a set of package keyset.
	Visits Key `json:"visits"`
	// Portal has those with which the portal encrypts what it keeps: a set of package keyset. It
	// is not made where there is no portal.
	Portal Key `json:"portal"`
	// RotateEvery is the age at which the operator replaces a key that it has made, but for TURN's;
	// 0 is never.
	RotateEvery metav1.Duration `json:"rotateEvery"`
}

// The bounds of Keys.RotateEvery: certificates of former keys are kept for a year, and not more
// of them than a verifier takes.
const (
	leastRotateEvery = 7 * 24 * time.Hour
	mostRotateEvery  = 365 * 24 * time.Hour
)

// Key is a Secret with one of them.
type Key struct {
	// Secret is its name.
	Secret string `json:"secret"`
	// Make lets the operator make it where there is none; otherwise somebody else does.
	Make bool `json:"make"`
}

func (k Keys) validate() field.ErrorList {
	path := field.NewPath("keys")
	var errs field.ErrorList
	if d := k.RotateEvery.Duration; d != 0 && (d < leastRotateEvery || d > mostRotateEvery) {
		errs = append(errs, field.Invalid(path.Child("rotateEvery"), d.String(),
			fmt.Sprintf("must be between %s and %s, or 0s to replace no key by its age", leastRotateEvery, mostRotateEvery)))
	}
	return slices.Concat(errs, k.Signing.validate(path.Child("signing")), k.TURN.validate(path.Child("turn")),
		k.Visits.validate(path.Child("visits")), k.Portal.validate(path.Child("portal")))
}

func (k Key) validate(path *field.Path) (errs field.ErrorList) {
	if problems := validation.IsDNS1123Subdomain(k.Secret); len(problems) > 0 {
		errs = append(errs, field.Invalid(path.Child("secret"), k.Secret, strings.Join(problems, "; ")))
	}
	return errs
}
