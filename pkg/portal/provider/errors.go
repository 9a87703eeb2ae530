package provider

import (
	"errors"
	"fmt"
)

// What can be wrong; errors.Is distinguishes them.
var (
	// ErrAway says that the provider does not answer, or that it refuses the portal itself.
	ErrAway = errors.New("the identity provider does not answer")
	// ErrEnded says that a code or a refresh token is good for nothing any more.
	ErrEnded = errors.New("the identity provider does not confirm it")
	// ErrIssuer says that an answer is another provider's.
	ErrIssuer = errors.New("the answer is another provider's")
	// ErrToken says that a token cannot be believed.
	ErrToken = errors.New("the identity provider's token is not good")
	// ErrClaims says that a token does not name a person as sessions do.
	ErrClaims = errors.New("the identity provider does not say who it is")
	// ErrNotAllowed says that the person is in none of the groups that may sign in.
	ErrNotAllowed = errors.New("the person is in none of auth.oidc.allowedGroups")
)

// fault is one of the errors with what is wrong in particular, for the log.
func fault(kind error, what string, args ...any) error {
	return fmt.Errorf("%w: %s", kind, fmt.Sprintf(what, args...))
}

// codes are the errors of OAuth 2.0 and OpenID Connect: what else a provider or a visitor
// writes there reaches no log.
var codes = map[string]bool{"invalid_request": true, "invalid_client": true, "invalid_grant": true, "unauthorized_client": true,
	"unsupported_grant_type": true, "unsupported_response_type": true, "invalid_scope": true, "access_denied": true, "server_error": true,
	"temporarily_unavailable": true, "interaction_required": true, "login_required": true, "consent_required": true, "account_selection_required": true}

func known(code string) string {
	if codes[code] {
		return code
	}
	return "other"
}

// Refused is what an error in the provider's answer to a browser means.
func Refused(code string) error {
	switch code {
	case "temporarily_unavailable", "server_error":
		return ErrAway
	}
	return fault(ErrEnded, "%s", known(code))
}
