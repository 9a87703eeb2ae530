package pages

import (
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/access"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/audit"
	"github.com/org/vdi-operator/pkg/signin"
)

// The bounds of the definition of shares.
const (
	maxShares = 32
	maxUses   = 10000
	maxUser   = 253
)

// shareNameLength is how long a share's random name is: none of another one's that was ended.
const shareNameLength = 10

// The kinds of the form.
const (
	kindLink   = "link"
	kindPerson = "person"
)

// expiries are when a share may end, as the form names them; "never" is by hand.
var expiries = []string{"1h", "24h", "168h", "720h", "never"}

// shareForm is what somebody has typed to share a session, and what is wrong with it.
type shareForm struct {
	Kind, Name, User, Role, Expiry, Uses string
	// Bad is what is wrong by field; "form" is of the whole.
	Bad map[string]string
	// Link is the one that was made.
	Link string
}

func newShareForm() shareForm {
	return shareForm{Name: rand.String(shareNameLength), Role: string(v1alpha1.ShareViewer), Expiry: "24h", Bad: map[string]string{}}
}

// shown is a share as the page lists it.
type shownShare struct {
	Name, Who, May, Uses string
	Until                fact
	Ended                bool
}

// sharesData is the part of a session's page about its shares.
type sharesData struct {
	List []shownShare
	// None says that there is none.
	None string
	// Forms says that the visitor may share it, Links that links are taken.
	Forms, Links bool
	// Watching says what somebody should know who lets others look on.
	Watching string
	// People are those who are connected now.
	People   []someone
	Form     shareForm
	Expiries []string
	MaxUses  int
}

func (v *visit) shares(s *v1alpha1.VDISession, may bool, form shareForm) *sharesData {
	data := &sharesData{None: v.Say("shares.none"), Forms: may && s.DeletionTimestamp.IsZero(), Links: v.Pages.Config.Auth.Links, Form: form,
		People: v.people(s), Expiries: expiries, MaxUses: maxUses}
	if !may {
		data.None = v.Say("shares.noneAdmin")
	}
	if by := access.WatchingOf(s.Protocol()); by != access.ByActivator {
		data.Watching = v.Say("watching." + string(by))
	}
	for i := range s.Spec.Shares {
		data.List = append(data.List, v.shown(s, &s.Spec.Shares[i]))
	}
	return data
}

func (v *visit) shown(s *v1alpha1.VDISession, share *v1alpha1.Share) shownShare {
	l := shownShare{Name: share.Name, Who: share.User, May: v.Say("share." + string(share.Role)), Ended: !access.Holds(share, v.now)}
	switch {
	case share.ExpiresAt == nil:
		l.Until.Text = v.Say("shares.ever")
	case l.Ended:
		l.Until = fact{Text: v.Say("shares.ended"), At: v.moment(share.ExpiresAt.Time)}
	default:
		l.Until = fact{Text: v.Relative(share.ExpiresAt.Time, v.now), At: v.moment(share.ExpiresAt.Time)}
	}
	if share.Link != nil {
		l.Who = v.Say("shares.link", "name", share.Name)
		uses := usesOf(s, share.Name)
		l.Uses = v.Say("shares.uses", "n", uses)
		if most := int(share.Link.MaxUses); most > 0 {
			l.Uses = v.Say("shares.usesOf", "n", uses, "max", most)
		}
	}
	return l
}

func usesOf(s *v1alpha1.VDISession, share string) int {
	if a := s.Status.Activity; a != nil {
		for _, use := range a.Shares {
			if use.Name == share {
				return int(use.Uses)
			}
		}
	}
	return 0
}

// share lets a colleague in, or makes a link and shows it this once.
func (p *Pages) share(v *visit) {
	s, bad := v.allowed(access.Share)
	if bad != nil {
		v.problem(bad)
		return
	}
	form := v.readShare()
	share := v.checkShare(&form, s)
	var secret string
	if len(form.Bad) == 0 && share.Link != nil {
		secret = signin.NewSecret()
		share.Link.SecretHash = signin.Hash(secret)
	}
	if len(form.Bad) == 0 {
		bad = v.changeShares(s, func(now *v1alpha1.VDISession) bool { return v.add(now, share, &form) })
	}
	switch {
	case bad != nil:
		v.problem(bad)
	case len(form.Bad) > 0:
		v.answer(http.StatusUnprocessableEntity, form)
	case secret != "":
		v.did(audit.Event{Event: audit.Share, Share: share.Name}, s)
		made := newShareForm()
		made.Link = signin.ShareLink(p.Config.URL.SessionURL(s.Namespace, s.Name), share.Name, secret)
		v.answer(http.StatusOK, made)
	default:
		v.did(audit.Event{Event: audit.Share, Share: share.Name}, s)
		v.back("shared")
	}
}

// answer shows the session's page with a form as it was sent.
func (v *visit) answer(status int, form shareForm) {
	v.show(func(v *visit) (view, *problem) {
		shown, bad := v.sessionPage(form)
		shown.Status = status
		return shown, bad
	})
}

func (v *visit) readShare() shareForm {
	get := func(name string) string { return strings.TrimSpace(v.r.PostFormValue(name)) }
	return shareForm{Kind: get("kind"), Name: get("name"), User: get("user"), Role: get("role"), Expiry: get("expiry"), Uses: get("uses"),
		Bad: map[string]string{}}
}

// checkShare makes the share, and says in the form what is wrong with it.
func (v *visit) checkShare(f *shareForm, s *v1alpha1.VDISession) v1alpha1.Share {
	share := v1alpha1.Share{Name: f.Name, Role: v1alpha1.ShareRole(f.Role)}
	wrong := func(field, key string, with ...any) { f.Bad[field] = v.Say("bad."+key, with...) }
	if len(f.Name) != shareNameLength || strings.Trim(f.Name, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		wrong("form", "form")
		f.Name = rand.String(shareNameLength)
	}
	if share.Role != v1alpha1.ShareViewer && share.Role != v1alpha1.ShareController {
		wrong("role", "role", "value", f.Role)
	}
	v.checkExpiry(f, &share)
	switch {
	case f.Kind == kindPerson:
		share.User = f.User
		v.checkUser(f, s)
	case f.Kind == kindLink && v.Pages.Config.Auth.Links:
		share.Link = &v1alpha1.ShareLink{}
		if n, err := strconv.Atoi(f.Uses); f.Uses != "" && (err != nil || n < 1 || n > maxUses) {
			wrong("uses", "uses", "value", f.Uses, "max", maxUses)
		} else {
			share.Link.MaxUses = int32(n) // within maxUses
		}
	default:
		wrong("form", "form")
	}
	return share
}

func (v *visit) checkExpiry(f *shareForm, share *v1alpha1.Share) {
	for _, known := range expiries {
		if known != f.Expiry {
			continue
		}
		if d, err := time.ParseDuration(known); err == nil {
			share.ExpiresAt = &metav1.Time{Time: v.now.Add(d).Truncate(time.Second)}
		}
		return
	}
	f.Bad["expiry"] = v.Say("bad.expiry", "value", f.Expiry)
}

func (v *visit) checkUser(f *shareForm, s *v1alpha1.VDISession) {
	switch n := utf8.RuneCountInString(f.User); {
	case n == 0:
		f.Bad["user"] = v.Say("bad.user.empty")
	case n > maxUser:
		f.Bad["user"] = v.Say("bad.user.long", "n", n, "max", maxUser)
	case !utf8.ValidString(f.User) || strings.ContainsFunc(f.User, unicode.IsControl):
		f.Bad["user"] = v.Say("bad.user.control")
	case f.User == s.Spec.User:
		f.Bad["user"] = v.Say("bad.user.self", "user", f.User)
	}
}

// add puts a share to those that hold, or says in the form why not. Shares that have ended make
// room.
func (v *visit) add(s *v1alpha1.VDISession, share v1alpha1.Share, f *shareForm) bool {
	var holding []v1alpha1.Share
	for i := range s.Spec.Shares {
		other := &s.Spec.Shares[i]
		switch {
		case other.Name == share.Name:
			f.Bad["form"] = v.Say("bad.repeated")
			f.Name = rand.String(shareNameLength)
			return false
		case access.Holds(other, v.now):
			holding = append(holding, *other)
			if share.User != "" && other.User == share.User {
				f.Bad["user"] = v.Say("bad.user.twice", "user", share.User)
				return false
			}
		}
	}
	if len(holding) >= maxShares {
		f.Bad["form"] = v.Say("bad.full", "n", len(holding), "max", maxShares)
		return false
	}
	holding = append(holding, share)
	s.Spec.Shares = holding
	return true
}

// endShare takes a share away: whoever came in by it is out within a minute.
func (p *Pages) endShare(v *visit) {
	s, bad := v.allowed(access.Share)
	name := v.r.PathValue("share")
	if bad == nil {
		bad = v.changeShares(s, func(now *v1alpha1.VDISession) bool {
			for i := range now.Spec.Shares {
				if now.Spec.Shares[i].Name == name {
					now.Spec.Shares = append(now.Spec.Shares[:i:i], now.Spec.Shares[i+1:]...)
					return true
				}
			}
			return false // somebody has ended it already
		})
	}
	if bad != nil {
		v.problem(bad)
		return
	}
	v.did(audit.Event{Event: audit.ShareEnded, Share: name}, s)
	v.back("ended")
}

// changeShares changes a session's shares under optimistic locking, where change says so, and
// waits until the next page shows it.
func (v *visit) changeShares(s *v1alpha1.VDISession, change func(*v1alpha1.VDISession) bool) *problem {
	var wrote *v1alpha1.VDISession
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		now := &v1alpha1.VDISession{}
		if err := v.Pages.Client.Get(v.r.Context(), client.ObjectKeyFromObject(s), now); err != nil {
			return err
		}
		if now.UID != s.UID { // another one has taken the name
			return apierrors.NewNotFound(v1alpha1.GroupVersion.WithResource("vdisessions").GroupResource(), s.Name)
		}
		was := now.DeepCopy()
		if !change(now) {
			return nil
		}
		if err := v.Pages.Client.Patch(v.r.Context(), now, client.MergeFromWithOptions(was, client.MergeFromWithOptimisticLock{})); err != nil {
			return err
		}
		wrote = now
		return nil
	})
	if err != nil {
		return v.failed(err)
	}
	if wrote != nil {
		v.seen(client.ObjectKeyFromObject(s), func(now *v1alpha1.VDISession, err error) bool {
			return err != nil || now.Generation >= wrote.Generation
		})
	}
	return nil
}

// sharing is one of the page's forms.
type sharing struct {
	V          frame
	Kind, Path string
	Form       shareForm
	Expiries   []string
	Roles      []v1alpha1.ShareRole
}

// Sharing is the form of a kind: as it was sent, where it was this one.
func (f frame) Sharing(kind string) sharing {
	data := f.Data.(sessionData)
	form := data.Shares.Form
	if form.Kind != kind {
		fresh := newShareForm()
		fresh.Name = form.Name
		form = fresh
	}
	return sharing{f, kind, data.Card.Path, form, data.Shares.Expiries, []v1alpha1.ShareRole{v1alpha1.ShareViewer, v1alpha1.ShareController}}
}

// Bad is what is wrong with a field.
func (s sharing) Bad(field string) string { return s.Form.Bad[field] }
