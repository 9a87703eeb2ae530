package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Auth is how people and programs prove who they are. The ways stand beside each other.
type Auth struct {
	// Links lets in whoever has a link: one of kubectl vdi link, or of a share.
	Links bool `json:"links"`
	// OIDC is the identity provider that people sign in at, by the portal; nil for none.
	OIDC *OIDC `json:"oidc,omitempty"`
	// Forwarded takes the word of a proxy in front; nil for none.
	Forwarded *Forwarded `json:"forwarded,omitempty"`
	// Issuers are whose bearer tokens programs may show.
	Issuers []Issuer `json:"issuers,omitempty"`
}

// Claims are how a provider's tokens name a person.
type Claims struct {
	// User is the claim with what sessions have in spec.user.
	User string `json:"user"`
	// Groups is the claim with the person's groups, as a list or as one.
	Groups string `json:"groups"`
}

// OIDC is an OpenID Connect provider, asked by authorization code with PKCE.
type OIDC struct {
	// Issuer is the provider's URL, below which /.well-known/openid-configuration is.
	Issuer string `json:"issuer"`
	// ClientID is the portal's there.
	ClientID string `json:"clientID"`
	// Scopes are asked for beside openid.
	Scopes []string `json:"scopes"`
	Claims Claims   `json:"claims"`
	// AllowedGroups are those whose people may sign in; empty lets in everybody whom the
	// provider does.
	AllowedGroups []string `json:"allowedGroups,omitempty"`
	// AdminGroups are those who administer sessions.
	AdminGroups []string `json:"adminGroups,omitempty"`
	// RecheckEvery is how often the provider is asked whether a sign-in still holds.
	RecheckEvery metav1.Duration `json:"recheckEvery"`
	// KeepWhileAway is how long a sign-in holds while the provider does not answer.
	KeepWhileAway metav1.Duration `json:"keepWhileAway"`
	// SignInFor is how long a sign-in lasts at most.
	SignInFor metav1.Duration `json:"signInFor"`
	// UnconfirmedFor is how long what the provider does not say again holds: a sign-in without a
	// refresh token, and one that rests on groups which a refresh does not tell.
	UnconfirmedFor metav1.Duration `json:"unconfirmedFor"`
	// Leeway is how far the provider's clock may differ.
	Leeway metav1.Duration `json:"leeway"`
}

// Issuer is a provider whose tokens programs show as Authorization: Bearer.
type Issuer struct {
	// URL is the iss claim, below which /.well-known/openid-configuration is.
	URL string `json:"url"`
	// Audience is what the aud claim must have.
	Audience string       `json:"audience"`
	Claims   IssuerClaims `json:"claims"`
}

// IssuerClaims are how an issuer's tokens name a person. Groups would say nothing more: those who
// administer sessions see into none, and administer them at the portal.
type IssuerClaims struct {
	// User is the claim with what sessions have in spec.user.
	User string `json:"user"`
}

// Forwarded is a proxy in front that signs people in, such as oauth2-proxy.
type Forwarded struct {
	// UserHeader has the user, such as X-Forwarded-Email.
	UserHeader string `json:"userHeader"`
	// GroupsHeader has the user's groups, separated by commas; empty for none.
	GroupsHeader string `json:"groupsHeader,omitempty"`
	// From are the networks, in CIDR notation, of that proxy alone: whoever reaches the activator
	// from there is believed.
	From []string `json:"from"`
	// AdminGroups are those who administer sessions.
	AdminGroups []string `json:"adminGroups,omitempty"`
}

// Portal is the program that people sign in at.
type Portal struct {
	// Host is its own, beside those of sessions.
	Host string `json:"host"`
	// Service and Namespace name its Service for the cluster itself; Port is for people,
	// InternalPort for activators.
	Service      string `json:"service"`
	Namespace    string `json:"namespace"`
	Port         int    `json:"port"`
	InternalPort int    `json:"internalPort"`
	// SessionsNamespace is where people start desktops of their own; empty lets them start none.
	SessionsNamespace string `json:"sessionsNamespace,omitempty"`
	// MaxSessionsPerUser is how many of a person's desktops may be there for them to start another.
	MaxSessionsPerUser int `json:"maxSessionsPerUser"`
	// SignInsPerAddress bounds how often people of an address begin to sign in, and as often
	// come back from the identity provider.
	SignInsPerAddress Rate `json:"signInsPerAddress"`
}

// maxSessionsPerUser is what Portal.MaxSessionsPerUser may be at most.
const maxSessionsPerUser = 1000

// DefaultPortal is what holds of a portal where the file says nothing: an office of some hundred
// people is one address.
func DefaultPortal() Portal {
	return Portal{MaxSessionsPerUser: 5, SignInsPerAddress: Rate{PerSecond: 5, Burst: 200}}
}

// UnmarshalJSON reads a portal over the defaults; unknown keys are refused.
func (p *Portal) UnmarshalJSON(raw []byte) error {
	type plain Portal
	read := plain(DefaultPortal())
	if err := unmarshalStrict(raw, &read); err != nil {
		return err
	}
	*p = Portal(read)
	return nil
}

// DefaultOIDC is what holds of a provider where the file says nothing.
func DefaultOIDC() OIDC {
	return OIDC{Scopes: []string{"profile", "email", "offline_access"}, Claims: Claims{User: "email", Groups: "groups"},
		RecheckEvery: metav1.Duration{Duration: 5 * time.Minute}, KeepWhileAway: metav1.Duration{Duration: time.Hour},
		SignInFor: metav1.Duration{Duration: 12 * time.Hour}, UnconfirmedFor: metav1.Duration{Duration: 8 * time.Hour},
		Leeway: metav1.Duration{Duration: 30 * time.Second}}
}

// UnmarshalJSON reads a provider over the defaults; unknown keys are refused.
func (o *OIDC) UnmarshalJSON(raw []byte) error {
	type plain OIDC
	p := plain(DefaultOIDC())
	if err := unmarshalStrict(raw, &p); err != nil {
		return err
	}
	*o = OIDC(p)
	return nil
}

// Address is where the portal is inside the cluster; internal is for activators.
func (p Portal) Address(internal bool) string {
	port := p.Port
	if internal {
		port = p.InternalPort
	}
	return fmt.Sprintf("http://%s.%s.svc.cluster.local:%d", p.Service, p.Namespace, port)
}

func (a Auth) validate(portal *Portal) (errs field.ErrorList) {
	path := field.NewPath("auth")
	if !a.Links && a.OIDC == nil && a.Forwarded == nil {
		errs = append(errs, field.Required(path, "nobody could come in: set links, oidc or forwarded"))
	}
	if a.OIDC != nil {
		if portal == nil {
			errs = append(errs, field.Required(field.NewPath("portal"), "people sign in at it: auth.oidc needs it"))
		}
		errs = append(errs, a.OIDC.validate(path.Child("oidc"))...)
	}
	if a.Forwarded != nil {
		errs = append(errs, a.Forwarded.validate(path.Child("forwarded"))...)
	}
	for i, issuer := range a.Issuers {
		at := path.Child("issuers").Index(i)
		errs = append(errs, validateIssuer(at.Child("url"), issuer.URL)...)
		errs = append(errs, Claims{User: issuer.Claims.User}.validate(at.Child("claims"))...)
		if issuer.Audience == "" {
			errs = append(errs, field.Required(at.Child("audience"), "a token that was made for somebody else must open nothing"))
		}
	}
	return errs
}

func (o OIDC) validate(path *field.Path) field.ErrorList {
	errs := append(validateIssuer(path.Child("issuer"), o.Issuer), o.Claims.validate(path.Child("claims"))...)
	if o.ClientID == "" {
		errs = append(errs, field.Required(path.Child("clientID"), "the identity provider gives one to each program that is registered there"))
	}
	for name, bound := range map[string]struct {
		is          metav1.Duration
		least, most time.Duration
	}{
		"recheckEvery":   {o.RecheckEvery, 10 * time.Second, time.Hour},
		"keepWhileAway":  {o.KeepWhileAway, 0, 24 * time.Hour},
		"signInFor":      {o.SignInFor, time.Minute, 30 * 24 * time.Hour},
		"unconfirmedFor": {o.UnconfirmedFor, 10 * time.Minute, 30 * 24 * time.Hour},
		"leeway":         {o.Leeway, 0, 5 * time.Minute},
	} {
		if d := bound.is.Duration; d < bound.least || d > bound.most {
			errs = append(errs, field.Invalid(path.Child(name), d.String(), fmt.Sprintf("must be between %s and %s", bound.least, bound.most)))
		}
	}
	for i, scope := range o.Scopes {
		if scope == "" || strings.ContainsFunc(scope, func(c rune) bool { return c <= ' ' || c == '"' || c == '\\' || c > '~' }) {
			errs = append(errs, field.Invalid(path.Child("scopes").Index(i), scope, "must be a scope of RFC 6749, such as email"))
		}
	}
	return errs
}

func (c Claims) validate(path *field.Path) (errs field.ErrorList) {
	if c.User == "" {
		errs = append(errs, field.Required(path.Child("user"), "the claim with what sessions have in spec.user, such as email"))
	}
	return errs
}

// validateIssuer takes http for private addresses only: whoever answers there says whose
// signatures hold.
func validateIssuer(path *field.Path, issuer string) field.ErrorList {
	u, err := url.Parse(issuer)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil:
		return field.ErrorList{field.Invalid(path, issuer, "must be the provider's URL, such as https://login.example.com/realms/staff")}
	case u.RawQuery != "" || u.Fragment != "":
		return field.ErrorList{field.Invalid(path, issuer, "must have no query and no fragment")}
	case u.Scheme == "http" && !private(u.Hostname()):
		return field.ErrorList{field.Invalid(path, issuer, "must be https: http is for localhost and private addresses")}
	}
	return nil
}

func private(host string) bool {
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host == "localhost" || strings.HasSuffix(host, ".localhost")
	}
	return ip.IsPrivate() || ip.IsLoopback()
}

func (f Forwarded) validate(path *field.Path) (errs field.ErrorList) {
	for name, header := range map[string]string{"userHeader": f.UserHeader, "groupsHeader": f.GroupsHeader} {
		if header == "" && name == "groupsHeader" {
			continue
		}
		if !httpguts.ValidHeaderFieldName(header) || slices.ContainsFunc([]string{"Cookie", "Authorization", "Host", "X-Forwarded-For"},
			func(no string) bool { return strings.EqualFold(no, header) }) {
			errs = append(errs, field.Invalid(path.Child(name), header, "must be a field of its own that the proxy sets, such as X-Forwarded-Email"))
		}
	}
	if len(f.From) == 0 {
		errs = append(errs, field.Required(path.Child("from"), "the networks of the proxy: without them everybody could say who they are"))
	}
	for i, cidr := range f.From {
		if p, err := netip.ParsePrefix(cidr); err != nil || p.Bits() == 0 {
			errs = append(errs, field.Invalid(path.Child("from").Index(i), cidr, "must be a network in CIDR notation such as 10.1.2.0/24, and not everybody"))
		}
	}
	return errs
}

func (p *Portal) validate(namespaces []string, url URL) (errs field.ErrorList) {
	if p == nil {
		return nil
	}
	path := field.NewPath("portal")
	errs = append(validateLabel(path.Child("service"), p.Service), validateLabel(path.Child("namespace"), p.Namespace)...)
	if problems := validation.IsDNS1123Subdomain(p.Host); len(problems) > 0 || strings.Contains(strings.Split(p.Host, ".")[0], "--") {
		errs = append(errs, field.Invalid(path.Child("host"), p.Host, "must be a host without port, such as portal.vdi.example.com, and no session's"))
	}
	if url.ByPath() && p.Host == url.Domain {
		errs = append(errs, field.Invalid(path.Child("host"), p.Host, "must not be url.domain, the host of all sessions"))
	}
	for name, port := range map[string]int{"port": p.Port, "internalPort": p.InternalPort} {
		if port < 1 || port > maxPort {
			errs = append(errs, field.Invalid(path.Child(name), port, "must be between 1 and 65535"))
		}
	}
	if p.SessionsNamespace != "" {
		errs = append(errs, validateLabel(path.Child("sessionsNamespace"), p.SessionsNamespace)...)
		if len(namespaces) > 0 && !slices.Contains(namespaces, p.SessionsNamespace) {
			errs = append(errs, field.Invalid(path.Child("sessionsNamespace"), p.SessionsNamespace,
				"must be one of namespaces, or nobody would serve the desktops there"))
		}
	}
	if p.MaxSessionsPerUser < 1 || p.MaxSessionsPerUser > maxSessionsPerUser {
		errs = append(errs, field.Invalid(path.Child("maxSessionsPerUser"), p.MaxSessionsPerUser,
			fmt.Sprintf("must be between 1 and %d; leave sessionsNamespace empty to let people start none", maxSessionsPerUser)))
	}
	if rate := p.SignInsPerAddress; rate.PerSecond <= 0 || rate.PerSecond > maxCount || rate.Burst < 1 || rate.Burst > maxCount {
		errs = append(errs, field.Invalid(path.Child("signInsPerAddress"), fmt.Sprintf("%v, %d", rate.PerSecond, rate.Burst),
			"perSecond must be above 0 and burst 1 or more, neither above 1000000"))
	}
	return errs
}
