package auth

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/activator/auth/visit"
	"github.com/org/vdi-operator/activator/record"
	"github.com/org/vdi-operator/activator/route"
	"github.com/org/vdi-operator/pkg/access"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/signin"
	"github.com/org/vdi-operator/pkg/token"
)

var (
	// ErrShareRate says that a session's links are opened too often.
	ErrShareRate = errors.New("links of this session are opened too often")
	// ErrNotCounted says that a use could not be counted.
	ErrNotCounted = errors.New("the use of the link was not counted")
)

const (
	// usesPerSecond and usesBurst bound the writes that the links of one session cost.
	usesPerSecond = 1
	usesBurst     = 20
	// countWithin bounds the count of one use; a person waits for it.
	countWithin = 5 * time.Second
)

// Shares counts the uses of shares' links; see record.Writer.
type Shares interface {
	UseShare(ctx context.Context, s *v1alpha1.VDISession, name string) error
}

// exchangeShare turns a share's link into a cookie, and counts that. A browser that may as much
// already keeps what it has.
func (g *Guard) exchangeShare(w http.ResponseWriter, r *http.Request, s *v1alpha1.VDISession, face route.Face) error {
	name, secret, ok := signin.ParseShareLink(r.URL.Query().Get(signin.ShareParameter))
	if !ok {
		return token.ErrMalformed
	}
	if !g.links {
		return ErrLinksOff
	}
	share := linkOf(s, name)
	if share == nil || subtle.ConstantTimeCompare([]byte(signin.Hash(secret)), []byte(share.Link.SecretHash)) != 1 {
		return token.ErrMalformed
	}
	if !access.Holds(share, g.now()) {
		return ErrShareEnded
	}
	if has, err := g.Check(r, s); err == nil && covers(has.Roles, access.Role(share.Role)) {
		return nil
	}
	if err := g.count(r.Context(), s, name); err != nil {
		return err
	}
	return g.letIn(w, s, face, "share/"+name, visit.Grant{Share: name, Secret: shortened(share.Link.SecretHash)})
}

func (g *Guard) count(ctx context.Context, s *v1alpha1.VDISession, name string) error {
	if wait := g.uses.Take(client.ObjectKeyFromObject(s), g.now()); wait > 0 {
		return ErrShareRate
	}
	ctx, cancel := context.WithTimeout(ctx, countWithin)
	defer cancel()
	err := g.shares.UseShare(ctx, s, name)
	switch {
	case errors.Is(err, record.ErrNoShare):
		return ErrShareEnded
	case err != nil && !errors.Is(err, record.ErrUsedUp) && !errors.Is(err, record.ErrGone):
		return errors.Join(ErrNotCounted, err)
	}
	return err
}

// covers says that who has these roles gains nothing by another.
func covers(has []access.Role, role access.Role) bool {
	for _, do := range []access.Action{access.See, access.Control, access.Wake} {
		if access.Allows([]access.Role{role}, do) && !access.Allows(has, do) {
			return false
		}
	}
	return true
}
