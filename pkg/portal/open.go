package portal

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/access"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/audit"
	"github.com/org/vdi-operator/pkg/portal/signins"
)

// enterPath is where a session's host takes a code.
const enterPath = "_vdi/enter"

// browserHash is what a session's host says of the browser that it sends here.
var browserHash = regexp.MustCompile(`^[0-9a-f]{64}$`)

// open hands a visitor over to a session that they may see.
func (s *Server) open(w http.ResponseWriter, r *http.Request) {
	v, _ := VisitorOf(r.Context())
	session, ok, err := s.seen(r, v)
	switch {
	case err != nil:
		s.unavailable(w, r, err)
		return
	case !ok:
		s.Audit.Event(audit.Event{Event: audit.Refused, User: v.User, Via: audit.ViaSignIn, From: Address(r), Session: r.PathValue("name"),
			Namespace: r.PathValue("namespace"), Reason: unknownSession.Reason})
		s.refuse(w, r, unknownSession)
		return
	}
	at := s.Config.URL.SessionURL(session.Namespace, session.Name)
	browser := r.URL.Query().Get("browser")
	if !browserHash.MatchString(browser) {
		// The session's host sends the browser back with its hash.
		s.redirect(w, at)
		return
	}
	code, err := s.SignIns.HandOver(r.Context(), v.SignIn, signins.Target{
		BrowserHash: browser, Namespace: session.Namespace, Name: session.Name, UID: session.UID})
	if err != nil {
		s.notSignedIn(w, r, err)
		return
	}
	s.Audit.Event(audit.Event{Event: audit.Handover, User: v.User, Via: audit.ViaSignIn, From: Address(r)}.Of(session))
	s.redirect(w, at+enterPath+"?"+url.Values{"code": {code}, "to": {destination(r.URL.Query().Get("to"))}}.Encode())
}

// seen is the session of a request's path, if the visitor may see it: one that is another's is
// as one that is not there.
func (s *Server) seen(r *http.Request, v Visitor) (*v1alpha1.VDISession, bool, error) {
	key := types.NamespacedName{Namespace: r.PathValue("namespace"), Name: r.PathValue("name")}
	if strings.HasPrefix(key.Namespace, "-") {
		found, err := s.hashed(r.Context(), key)
		if err != nil || found == key {
			return nil, false, err
		}
		key = found
	}
	if served := s.Config.Namespaces; len(served) > 0 && !slices.Contains(served, key.Namespace) {
		return nil, false, nil
	}
	session := &v1alpha1.VDISession{}
	err := s.Sessions.Get(r.Context(), key, session)
	if apierrors.IsNotFound(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	may := access.Allows(access.RolesOf(v.Person, session, s.Now()), access.See)
	return session, may && session.DeletionTimestamp == nil, nil
}

// hashed is the key of the session whose address has a hash for its namespace; that itself where
// there is none.
func (s *Server) hashed(ctx context.Context, key types.NamespacedName) (types.NamespacedName, error) {
	all := &v1alpha1.VDISessionList{}
	if err := s.Sessions.List(ctx, all); err != nil {
		return key, err
	}
	for i := range all.Items {
		if one := &all.Items[i]; one.Name == key.Name && s.Config.URL.Names(key.Namespace, one.Namespace, one.Name) {
			return types.NamespacedName{Namespace: one.Namespace, Name: one.Name}, nil
		}
	}
	return key, nil
}
