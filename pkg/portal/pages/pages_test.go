package pages

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/org/vdi-operator/pkg/access"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/audit"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/signin"
)

// portal is the pages with an API server that is none, and what was written there.
type portal struct {
	*Pages
	t      testing.TB
	client client.Client
	who    *Visitor
	// refuse is what the API server says to every write.
	refuse error
	writes []string
	audit  bytes.Buffer
}

func newPortal(t testing.TB, objects ...client.Object) *portal {
	t.Helper()
	scheme := runtime.NewScheme()
	require.NoError(t, v1alpha1.AddToScheme(scheme))
	p := &portal{t: t, who: &Visitor{Person: access.Person{User: "ada"}, CSRF: "token"}}
	wrote := func(what string) error {
		if p.refuse == nil {
			p.writes = append(p.writes, what)
		}
		return p.refuse
	}
	p.client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if err := wrote("create " + o.GetName()); err != nil {
				return err
			}
			return c.Create(ctx, o, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, patch client.Patch, opts ...client.PatchOption) error {
			data, err := patch.Data(o)
			require.NoError(t, err)
			if err := wrote("patch " + string(data)); err != nil {
				return err
			}
			return c.Patch(ctx, o, patch, opts...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			if err := wrote("delete " + o.GetName()); err != nil {
				return err
			}
			return c.Delete(ctx, o, opts...)
		},
	}).Build()
	c := config.Default()
	c.URL.Domain = "vdi.example.com"
	c.Portal = &config.Portal{Host: "portal.vdi.example.com", SessionsNamespace: "desks", MaxSessionsPerUser: 5}
	p.Pages = New(Options{Client: p.client, Config: c, Log: testr.NewWithInterface(t, testr.Options{}), Audit: audit.New(&p.audit, true),
		Visitor: func(*http.Request) (Visitor, bool) {
			if p.who == nil {
				return Visitor{}, false
			}
			return *p.who, true
		}})
	return p
}

func (p *portal) as(user string, admin bool) *portal {
	p.who = &Visitor{Person: access.Person{User: user, Admin: admin}, CSRF: "token"}
	return p
}

func (p *portal) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w
}

func (p *portal) get(path string) *httptest.ResponseRecorder {
	return p.do(httptest.NewRequest(http.MethodGet, path, nil))
}

// form is a request as a browser sends it from a page of the portal.
func form(path string, values url.Values) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(values.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func (p *portal) post(path string, pairs ...string) *httptest.ResponseRecorder {
	values := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	return p.do(form(path, values))
}

func (p *portal) desk(name string) *v1alpha1.VDISession {
	p.t.Helper()
	s := &v1alpha1.VDISession{}
	require.NoError(p.t, p.client.Get(p.t.Context(), client.ObjectKey{Namespace: "desks", Name: name}, s))
	return s
}

func desk(name, user string, how ...func(*v1alpha1.VDISession)) *v1alpha1.VDISession {
	s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: "desks", Name: name, UID: types.UID("uid-" + name)},
		Spec:   v1alpha1.VDISessionSpec{User: user, Template: "gpu", Power: v1alpha1.PowerOnDemand},
		Status: v1alpha1.VDISessionStatus{ObservedGeneration: 1, Phase: v1alpha1.PhaseAsleep}}
	for _, f := range how {
		f(s)
	}
	return s
}

func awake(s *v1alpha1.VDISession) {
	at := metav1.NewMicroTime(time.Now().Add(-time.Hour))
	s.Status.StartTime, s.Status.ReadyTime, s.Status.Phase = &at, &at, v1alpha1.PhaseRunning
}

func gpuTemplate(how ...func(*v1alpha1.VDITemplate)) *v1alpha1.VDITemplate {
	t := &v1alpha1.VDITemplate{ObjectMeta: metav1.ObjectMeta{Name: "gpu"}, Spec: v1alpha1.VDITemplateSpec{
		DisplayName: "GPU workstation", Description: "For rendering.", Image: "desktop", Icon: "https://icons.example.com/gpu.png",
		Resources: v1alpha1.TemplateResources{DefaultGPU: ptr.To[int32](1), DefaultMemory: ptr.To(resource.MustParse("1536Mi")),
			DefaultCPU: ptr.To(resource.MustParse("500m"))},
	}}
	for _, f := range how {
		f(t)
	}
	return t
}

func TestWhoMayDoWhatWithASession(t *testing.T) {
	actions := []struct {
		name, method, path string
		form               []string
	}{
		{"see its page", "GET", "", nil}, {"be asked whether to delete it", "GET", "/delete", nil},
		{"wake", "POST", "/wake", nil}, {"sleep", "POST", "/sleep", nil}, {"delete", "POST", "/delete", nil},
		{"share", "POST", "/share", []string{"kind", "person", "name", "abcdefghij", "user", "zoe", "role", "Viewer", "expiry", "never"}},
		{"end a share", "POST", "/shares/bobs/end", nil},
	}
	const (
		yes, done, no, none = 200, 303, 403, 404
	)
	for who, want := range map[string][]int{
		"ada":   {yes, yes, done, done, done, done, done},
		"bob":   {yes, no, no, no, no, no, no},
		"cleo":  {yes, no, done, no, no, no, no},
		"admin": {yes, yes, no, done, done, no, no},
		"eve":   {none, none, none, none, none, none, none},
		"late":  {none, none, none, none, none, none, none},
	} {
		for i, action := range actions {
			t.Run(who+" may "+action.name, func(t *testing.T) {
				p := newPortal(t, gpuTemplate(), desk("desk", "ada", func(s *v1alpha1.VDISession) {
					s.Spec.Shares = []v1alpha1.Share{{Name: "bobs", User: "bob", Role: v1alpha1.ShareViewer},
						{Name: "cleos", User: "cleo", Role: v1alpha1.ShareController},
						{Name: "lates", User: "late", Role: v1alpha1.ShareController, ExpiresAt: &metav1.Time{Time: time.Now().Add(-time.Second)}}}
				})).as(who, who == "admin")
				send := func(name string) *httptest.ResponseRecorder {
					if action.method == "GET" {
						return p.get("/sessions/desks/" + name + action.path)
					}
					return p.post("/sessions/desks/"+name+action.path, action.form...)
				}
				w := send("desk")
				assert.Equal(t, want[i], w.Code)
				if want[i] != yes {
					kinds := []string{"", "", "wake", "sleep", "delete", "share", "share_ended"}
					if want[i] != done {
						kinds[i] = "refused"
					}
					assert.Contains(t, p.audit.String(), `"event":"`+kinds[i]+`","user":"`+who+`"`)
				}
				if want[i] != done {
					assert.Empty(t, p.writes, "nothing was changed")
				} else {
					assert.Len(t, p.writes, 1)
				}
				if want[i] == none {
					assert.True(t, send("none").Body.String() == w.Body.String(), "a session that is not there answers the same")
				}
			})
		}
	}
}

func TestWhoHasNotSignedInGoesWhereTheyDo(t *testing.T) {
	p := newPortal(t, desk("desk", "ada"))
	p.who = nil
	w := p.get("/sessions/desks/desk?x=1")
	assert.Equal(t, http.StatusSeeOther, w.Code)
	assert.Equal(t, "/signin?to=%2Fsessions%2Fdesks%2Fdesk%3Fx%3D1", w.Header().Get("Location"))
	assert.Equal(t, http.StatusUnauthorized, p.post("/sessions/desks/desk/delete").Code)
	assert.Equal(t, http.StatusUnauthorized, p.get("/events?at=/").Code)
	assert.Equal(t, http.StatusOK, p.get("/assets/base.css").Code)
	assert.Empty(t, p.writes)
}

func TestAPersonSeesTheirOwnDesktopsAndThoseSharedWithThem(t *testing.T) {
	p := newPortal(t, gpuTemplate(), desk("mine", "ada"), desk("other", "eve"), desk("shared", "bob", awake, func(s *v1alpha1.VDISession) {
		s.Spec.Shares = []v1alpha1.Share{{Name: "a", User: "ada", Role: v1alpha1.ShareViewer}}
	}))
	body := p.get("/").Body.String()
	for _, part := range []string{"mine", "shared", "GPU workstation", "You have 1 of 5 desktops.", "You may look on", "bob’s desktop",
		"https://mine--desks.vdi.example.com/"} {
		assert.Contains(t, body, part)
	}
	assert.NotContains(t, body, "other")
	assert.NotContains(t, body, "/sessions/desks/shared/sleep")
	assert.NotContains(t, p.as("admin", true).get("/").Body.String(), "mine", "an administrator's own page has their own")
}

func TestAViewerOpensOnlyWhatIsAwake(t *testing.T) {
	shared := func(s *v1alpha1.VDISession) {
		s.Spec.Shares = []v1alpha1.Share{{Name: "a", User: "ada", Role: v1alpha1.ShareViewer}}
	}
	p := newPortal(t, desk("asleep", "bob", shared), desk("awake", "bob", shared, awake))
	body := p.get("/").Body.String()
	assert.NotContains(t, body, "https://asleep--desks")
	assert.Contains(t, body, "https://awake--desks")
}

func TestWakeAndSleepAreRequestsInTheSpec(t *testing.T) {
	p := newPortal(t, desk("desk", "ada"), desk("on", "ada", func(s *v1alpha1.VDISession) { s.Spec.Power = v1alpha1.PowerAlwaysOn }),
		desk("off", "ada", func(s *v1alpha1.VDISession) { s.Spec.Power = v1alpha1.PowerOff }))
	for action, field := range map[string]string{"wake": "wakeAt", "sleep": "sleepAt"} {
		p.writes = nil
		w := p.post("/sessions/desks/desk/"+action, "back", "/sessions/desks/desk?done=old")
		require.Equal(t, http.StatusSeeOther, w.Code)
		assert.Regexp(t, "^/sessions/desks/desk\\?done=(woken|slept)$", w.Header().Get("Location"))
		require.Len(t, p.writes, 1)
		assert.Regexp(t, `^patch {"metadata":{"uid":"uid-desk"},"spec":{"`+field+`":"[-0-9T:]+\.[0-9]{6}Z"}}$`, p.writes[0])
	}
	p.writes = nil
	assert.Equal(t, http.StatusConflict, p.post("/sessions/desks/off/wake").Code)
	assert.Equal(t, http.StatusConflict, p.post("/sessions/desks/on/sleep").Code)
	assert.Empty(t, p.writes)
}

func TestAFormLeadsBackToPagesOfOursOnly(t *testing.T) {
	for back, want := range map[string]string{
		"": "/?done=woken", "https://evil.example.com/admin": "/?done=woken", "//evil.example.com/admin": "/?done=woken",
		"/signout":      "/?done=woken",
		"/admin?page=2": "/admin?done=woken&page=2", "/\\evil": "/?done=woken", "%": "/?done=woken",
	} {
		p := newPortal(t, desk("desk", "ada"))
		assert.Equal(t, want, p.post("/sessions/desks/desk/wake", "back", back).Header().Get("Location"), back)
	}
}

func TestADeletionSaysWhatBecomesOfTheFiles(t *testing.T) {
	for text, policy := range map[string]v1alpha1.ReclaimPolicy{"Its files stay": v1alpha1.ReclaimRetain,
		"cannot be undone": v1alpha1.ReclaimDelete} {
		p := newPortal(t, desk("desk", "ada"), gpuTemplate(func(t *v1alpha1.VDITemplate) { t.Spec.Persistence.ReclaimPolicy = policy }))
		assert.Contains(t, p.get("/sessions/desks/desk/delete").Body.String(), text)
		w := p.post("/sessions/desks/desk/delete")
		assert.Equal(t, "/?done=deleted", w.Header().Get("Location"))
		assert.Equal(t, []string{"delete desk"}, p.writes)
	}
}

func TestAPersonStartsADesktopOfATemplate(t *testing.T) {
	p := newPortal(t, gpuTemplate())
	body := p.get("/templates").Body.String()
	for _, part := range []string{"GPU workstation", "For rendering.", "1 GPU", "1.5\u00a0GiB memory", "0.5 CPU",
		`referrerpolicy="no-referrer"`, ">G</span>"} {
		assert.Contains(t, body, part)
	}
	w := p.post("/sessions", "template", "gpu", "suffix", "bcdfg")
	require.Equal(t, "/sessions/desks/gpu-bcdfg?done=created", w.Header().Get("Location"), w.Body)
	assert.Equal(t, "ada", p.desk("gpu-bcdfg").Spec.User)
	assert.Equal(t, "/sessions/desks/gpu-bcdfg?done=created",
		p.post("/sessions", "template", "gpu", "suffix", "bcdfg").Header().Get("Location"),
		"a form that is sent twice makes one")
	assert.Equal(t, []string{"create gpu-bcdfg"}, p.writes)
}

func TestADesktopThatCannotBeStartedSaysWhy(t *testing.T) {
	quota := apierrors.NewForbidden(v1alpha1.GroupVersion.WithResource("vdisessions").GroupResource(), "gpu-x",
		errors.New("exceeded quota: desktops, used: count=3"))
	rights := apierrors.NewForbidden(v1alpha1.GroupVersion.WithResource("vdisessions").GroupResource(), "gpu-x",
		errors.New(`User "system:serviceaccount:vdi:portal" cannot create resource "vdisessions"`))
	for name, c := range map[string]struct {
		objects  []client.Object
		refuse   error
		template string
		status   int
		says     string
	}{
		"unknown":    {template: "none", status: 404, says: "There is no such template"},
		"has a home": {objects: []client.Object{desk("one", "ada")}, status: 409, says: "one has your files"},
		"a namespace that is not there": {refuse: apierrors.NewNotFound(corev1.Resource("namespaces"), "people"), status: 409,
			says: `namespaces &#34;people&#34; not found`},
		"quota":       {refuse: quota, status: 409, says: "exceeded quota: desktops, used: count=3"},
		"no rights":   {refuse: rights, status: 403, says: "service account"},
		"unreachable": {refuse: errors.New("dial tcp 10.0.0.1:443: refused"), status: 503, says: "Try again"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPortal(t, append(c.objects, gpuTemplate())...)
			p.refuse = c.refuse
			template := c.template
			if template == "" {
				template = "gpu"
			}
			w := p.post("/sessions", "template", template)
			assert.Equal(t, c.status, w.Code)
			assert.Contains(t, w.Body.String(), c.says)
			assert.NotContains(t, w.Body.String(), "system:serviceaccount")
			assert.NotContains(t, w.Body.String(), "10.0.0.1")
			assert.Empty(t, p.writes)
		})
	}
	invalid := newPortal(t, gpuTemplate(func(t *v1alpha1.VDITemplate) {
		t.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionValid, Status: metav1.ConditionFalse, Message: "spec.image: no such"}}
	}))
	assert.Contains(t, invalid.get("/templates").Body.String(), "spec.image: no such")
	assert.Equal(t, http.StatusConflict, invalid.post("/sessions", "template", "gpu").Code)
	assert.Empty(t, invalid.writes)
}

func TestNobodyStartsMoreDesktopsThanTheyMay(t *testing.T) {
	var objects []client.Object
	for i := range 5 {
		objects = append(objects, desk(fmt.Sprintf("d%d", i), "ada", func(s *v1alpha1.VDISession) { s.Namespace = "elsewhere" }))
	}
	p := newPortal(t, append(objects, gpuTemplate())...)
	assert.Contains(t, p.get("/templates").Body.String(), "You have 5 of 5 desktops")
	w := p.post("/sessions", "template", "gpu")
	assert.Equal(t, http.StatusConflict, w.Code)
	assert.Contains(t, w.Body.String(), "Delete one to start another")
	assert.Empty(t, p.writes)
	p.starting.Store("bob", true)
	assert.Equal(t, http.StatusConflict, p.as("bob", false).post("/sessions", "template", "gpu").Code, "two at once")
	p.Config.Portal.SessionsNamespace = ""
	assert.Equal(t, http.StatusNotFound, p.as("zoe", false).post("/sessions", "template", "gpu").Code)
	assert.NotContains(t, p.get("/").Body.String(), "/templates")
	assert.Empty(t, p.writes)
}

func TestASessionsNameIsOneThatTheDefinitionTakes(t *testing.T) {
	for _, template := range []string{"gpu", "a--b---c", "9lives", "x", strings.Repeat("long-", 12) + "x",
		strings.Repeat("a", 33) + "-b", "7"} {
		for _, suffix := range []string{"", "bcdfg", "--", "AAAAA", "bc-fg"} {
			name := nameFor(template, suffix)
			assert.LessOrEqual(t, len(name), 40)
			assert.Regexp(t, `^[a-z]([-a-z0-9]*[a-z0-9])?$`, name)
			assert.NotContains(t, name, "--")
		}
	}
	assert.NotEqual(t, nameFor("gpu", ""), nameFor("gpu", ""))
}

func TestANameThatSomebodyElseHasIsNotTold(t *testing.T) {
	p := newPortal(t, gpuTemplate(), desk("gpu-bcdfg", "eve"))
	w := p.post("/sessions", "template", "gpu", "suffix", "bcdfg")
	assert.Equal(t, http.StatusSeeOther, w.Code)
	assert.NotContains(t, w.Header().Get("Location"), "bcdfg")
	assert.Equal(t, "eve", p.desk("gpu-bcdfg").Spec.User)
}

func TestALinkIsShownOnceAndKeptAsAHash(t *testing.T) {
	p := newPortal(t, desk("desk", "ada"))
	w := p.post("/sessions/desks/desk/share", "kind", "link", "name", "abcdefghij", "role", "Controller", "expiry", "24h", "uses", "3")
	require.Equal(t, http.StatusOK, w.Code)
	_, after, found := strings.Cut(w.Body.String(), "https://desk--desks.vdi.example.com/?vdi_share=abcdefghij.")
	require.True(t, found, w.Body)
	secret, _, _ := strings.Cut(after, `"`)
	assert.Len(t, secret, 43)
	share := p.desk("desk").Spec.Shares[0]
	assert.Equal(t, signin.Hash(secret), share.Link.SecretHash)
	assert.EqualValues(t, 3, share.Link.MaxUses)
	assert.Equal(t, v1alpha1.ShareController, share.Role)
	assert.WithinDuration(t, time.Now().Add(24*time.Hour), share.ExpiresAt.Time, time.Minute)
	assert.NotContains(t, p.audit.String(), secret)
	again := p.get("/sessions/desks/desk").Body.String()
	assert.NotContains(t, again, secret)
	assert.Contains(t, again, "opened 0 times of 3")
	w = p.post("/sessions/desks/desk/share", "kind", "link", "name", "abcdefghij", "role", "Viewer", "expiry", "24h")
	assert.Equal(t, http.StatusUnprocessableEntity, w.Code, "the form once more")
	assert.Len(t, p.desk("desk").Spec.Shares, 1)
}

func TestWhatIsWrongIsSaidBesideItsFieldAndNothingTypedIsLost(t *testing.T) {
	good := []string{"kind", "person", "name", "abcdefghij", "user", "bob", "role", "Controller", "expiry", "168h", "uses", ""}
	for name, c := range map[string]struct {
		change []string
		says   string
		keeps  string
	}{
		"nobody":   {[]string{"user", " "}, "Say who", `<option value="168h" selected>`},
		"too long": {[]string{"user", strings.Repeat("x", 254)}, "The name has 254 characters. It may have 253.", strings.Repeat("x", 254)},
		"control":  {[]string{"user", "bo\x07b"}, "characters that no name has", `value="Controller" selected`},
		"oneself":  {[]string{"user", "ada"}, "ada owns this desktop", `value="ada"`},
		"twice":    {[]string{"user", "cleo"}, "cleo may come in already", `value="cleo"`},
		"role":     {[]string{"role", "Owner"}, "“Owner” is no role", `value="bob"`},
		"expiry":   {[]string{"expiry", "1000h"}, "“1000h” is no end", `value="bob"`},
		"uses": {[]string{"kind", "link", "uses", "many<b>"},
			"“many&lt;b&gt;” is no number of uses. Type a whole number from 1 to 10,000", `value="many&lt;b&gt;"`},
		"uses 0":        {[]string{"kind", "link", "uses", "0"}, "“0” is no number", `value="0"`},
		"kind":          {[]string{"kind", "all"}, "out of date", ""},
		"a name of old": {[]string{"name", "x"}, "out of date", `value="bob"`},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPortal(t, desk("desk", "ada", func(s *v1alpha1.VDISession) {
				s.Spec.Shares = []v1alpha1.Share{{Name: "c", User: "cleo", Role: v1alpha1.ShareViewer}}
			}))
			w := p.post("/sessions/desks/desk/share", append(good[:len(good):len(good)], c.change...)...)
			assert.Equal(t, http.StatusUnprocessableEntity, w.Code)
			assert.Contains(t, w.Body.String(), c.says)
			assert.Contains(t, w.Body.String(), c.keeps)
			assert.Empty(t, p.writes)
		})
	}
}

func TestSharesThatHaveEndedMakeRoom(t *testing.T) {
	full := func(end time.Time) *v1alpha1.VDISession {
		return desk("desk", "ada", func(s *v1alpha1.VDISession) {
			for i := range maxShares {
				s.Spec.Shares = append(s.Spec.Shares, v1alpha1.Share{Name: fmt.Sprint("s", i), User: fmt.Sprint("u", i),
					Role: v1alpha1.ShareViewer, ExpiresAt: &metav1.Time{Time: end}})
			}
		})
	}
	person := []string{"kind", "person", "name", "abcdefghij", "user", "bob", "role", "Viewer", "expiry", "never"}
	p := newPortal(t, full(time.Now().Add(time.Hour)))
	w := p.post("/sessions/desks/desk/share", person...)
	assert.Contains(t, w.Body.String(), "It is shared 32 times")
	assert.Empty(t, p.writes)
	p = newPortal(t, full(time.Now().Add(-time.Hour)))
	assert.Equal(t, http.StatusSeeOther, p.post("/sessions/desks/desk/share", person...).Code)
	assert.Len(t, p.desk("desk").Spec.Shares, 1)
	p.post("/sessions/desks/desk/shares/abcdefghij/end")
	assert.Empty(t, p.desk("desk").Spec.Shares)
}

func TestWithoutLinksNobodyMakesOne(t *testing.T) {
	p := newPortal(t, desk("desk", "ada"))
	p.Config.Auth.Links = false
	assert.NotContains(t, p.get("/sessions/desks/desk").Body.String(), `value="link"`)
	assert.Equal(t, http.StatusUnprocessableEntity,
		p.post("/sessions/desks/desk/share", "kind", "link", "name", "abcdefghij", "role", "Viewer", "expiry", "24h").Code)
	assert.Empty(t, p.writes)
}

func TestOnlyTheOwnerAndAdministratorsSeeWhomASessionIsSharedWith(t *testing.T) {
	p := newPortal(t, desk("desk", "ada", func(s *v1alpha1.VDISession) {
		s.Spec.Shares = []v1alpha1.Share{{Name: "b", User: "bob", Role: v1alpha1.ShareViewer},
			{Name: "c", User: "cleo@example.com", Role: v1alpha1.ShareViewer}}
	}))
	for user, sees := range map[string]bool{"ada": true, "bob": false, "admin": true} {
		assert.Equal(t, sees, strings.Contains(p.as(user, user == "admin").get("/sessions/desks/desk").Body.String(), "cleo@example.com"), user)
	}
}

func TestOnlyTheOwnerAndAdministratorsSeeWhoIsConnected(t *testing.T) {
	now := metav1.NowMicro()
	person := func(user, share, role string) v1alpha1.PresentPerson {
		return v1alpha1.PresentPerson{User: user, Share: share, Role: role, Since: now}
	}
	p := newPortal(t, desk("desk", "ada", awake, func(s *v1alpha1.VDISession) {
		s.Spec.Shares = []v1alpha1.Share{{Name: "bobs", User: "bob", Role: v1alpha1.ShareViewer},
			{Name: "cleos", User: "cleo", Role: v1alpha1.ShareController}, {Name: "review", Role: v1alpha1.ShareViewer, Link: &v1alpha1.ShareLink{}}}
		s.Status.Activity = &v1alpha1.SessionActivity{Present: map[string]v1alpha1.ReplicaPresence{
			"one": {At: now, People: []v1alpha1.PresentPerson{person("ada", "", "Owner"), person("bob", "", "Viewer")}},
			"two": {At: now, People: []v1alpha1.PresentPerson{person("cleo", "", "Controller"), person("", "review", "Viewer")}}}}
	}))
	page := func(user string) string { return p.as(user, user == "admin").get("/sessions/desks/desk").Body.String() }
	assert.Contains(t, page("ada"), "<strong>cleo</strong>\n<p>uses the desktop")
	assert.Contains(t, page("ada"), "<strong>Link review</strong>\n<p>looks on")
	for _, share := range []string{"bobs", "cleos", "review"} {
		assert.Contains(t, page("ada"), `id="out-`+share+`"`)
	}
	assert.Equal(t, 3, strings.Count(page("ada"), `id="out-`), "nobody shows the owner out")
	assert.Contains(t, page("admin"), "<strong>cleo</strong>")
	assert.NotContains(t, page("admin"), `id="out-`)
	assert.Contains(t, p.get("/admin").Body.String(), `<span class="name">ada, cleo, Link review and 1 more</span>`)
	for _, user := range []string{"bob", "cleo"} {
		assert.NotContains(t, page(user), "Who is in now", user)
		assert.NotContains(t, page(user), "uses the desktop", user)
	}
	assert.Contains(t, newPortal(t, desk("desk", "ada")).get("/sessions/desks/desk").Body.String(), "Nobody is connected.")
}

func TestAnOwnerReadsWhatLookingOnIsWorth(t *testing.T) {
	for protocol, says := range map[v1alpha1.StreamingProtocol]string{v1alpha1.ProtocolSelkies1: "nobody can only look on",
		v1alpha1.ProtocolSelkies2WebRTC: "The desktop itself sees to it", v1alpha1.ProtocolLinuxServer: "out within a minute.</p>"} {
		p := newPortal(t, desk("desk", "ada", func(s *v1alpha1.VDISession) { s.Status.Streaming = &v1alpha1.StreamingSpec{Protocol: protocol} }))
		assert.Contains(t, p.get("/sessions/desks/desk").Body.String(), says, protocol)
	}
}

func TestAdministratorsSeeTheGPUHoursOfAWeek(t *testing.T) {
	today := time.Now().UTC()
	days := []v1alpha1.GPUDay{{Day: today.AddDate(0, 0, -7).Format(time.DateOnly), Seconds: 3600}, {Day: today.AddDate(0, 0, -6).Format(time.DateOnly), Seconds: 9000}}
	p := newPortal(t, gpuTemplate(), desk("asleep", "ada", func(s *v1alpha1.VDISession) { s.Status.GPUUse = days }),
		desk("awake", "bob", awake, func(s *v1alpha1.VDISession) {
			s.Spec.Resources = &v1alpha1.SessionResources{GPU: ptr.To[int32](2)}
		})).as("root", true)
	body := p.get("/admin").Body.String()
	assert.Contains(t, body, "<dt>GPUs taken now</dt><dd>2</dd>")
	assert.Contains(t, body, "<dt>GPU hours, seven days</dt><dd>4.5</dd>", "2.5 hours that are on record, and one with two GPUs since the wake")
}

func TestPagesHoldNothingThatThePortalsPolicyForbids(t *testing.T) {
	p := newPortal(t, gpuTemplate(), desk("desk", "ada", awake)).as("ada", true)
	for _, path := range []string{"/", "/templates", "/sessions/desks/desk", "/sessions/desks/desk/delete", "/admin", "/none"} {
		w := p.get(path)
		for _, part := range []string{" style=", " onclick=", "<style", "javascript:", "<script>", "ZgotmplZ"} {
			assert.NotContains(t, w.Body.String(), part, path)
		}
	}
	for icon, shown := range map[string]bool{"https://icons.example.com/x.png": true, "http://icons.example.com/x.png": false,
		"javascript:alert(1)": false, "/x.png": false, "data:image/png;base64,AA": false} {
		p := newPortal(t, gpuTemplate(func(t *v1alpha1.VDITemplate) { t.Spec.Icon = icon }))
		assert.Equal(t, shown, strings.Contains(p.get("/templates").Body.String(), `loading="lazy"`), icon)
	}
}

func TestAdministratorsFindSessionsAmongTenThousand(t *testing.T) {
	objects := []client.Object{gpuTemplate()}
	for i := range 10_000 {
		objects = append(objects, desk(fmt.Sprintf("d%d", i), fmt.Sprintf("user%d@example.com", i%100), func(s *v1alpha1.VDISession) {
			if i%10 == 0 {
				awake(s)
			}
		}))
	}
	p := newPortal(t, objects...).as("root", true)
	body := p.get("/admin").Body.String()
	assert.Equal(t, perPage, strings.Count(body, `scope="row"`))
	for _, part := range []string{"Page 1 of 200", "<dd>10,000</dd>", "<dd>1,000</dd>", "10,000 desktops", gpuMetric} {
		assert.Contains(t, body, part)
	}
	body = p.get("/admin?user=USER7@&state=asleep&template=gpu&page=2").Body.String()
	assert.Contains(t, body, "100 desktops")
	assert.Contains(t, body, "Page 2 of 2")
	assert.Contains(t, p.get("/admin?page=-7").Body.String(), "Page 1 of 200")
	assert.Contains(t, p.get("/admin?page=9999").Body.String(), "Page 200 of 200")
	w := p.get("/admin?state=drunk%3Cb%3E")
	assert.Equal(t, http.StatusBadRequest, w.Code)
	assert.Contains(t, w.Body.String(), "“drunk&lt;b&gt;” is no state")
	assert.Equal(t, http.StatusNotFound, p.as("ada", false).get("/admin").Code)
}

func TestALivePageIsSentAgainWhenItChanges(t *testing.T) {
	p := newPortal(t, gpuTemplate(), desk("desk", "ada"))
	server := httptest.NewServer(p)
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/events?at=/", nil)
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { _ = answer.Body.Close() }()
	read := func(until string) string {
		got, part := "", make([]byte, 4096)
		for !strings.Contains(got, until) {
			n, err := answer.Body.Read(part)
			require.NoError(t, err, got)
			got += string(part[:n])
		}
		return got
	}
	first := read("desk")
	assert.Contains(t, first, "event: page\ndata: ")
	assert.Contains(t, first, "Asleep")
	s := p.desk("desk")
	awake(s)
	require.NoError(t, p.client.Update(ctx, s))
	assert.Contains(t, read("Awake"), "event: page")
	for range streamsPerUser - 1 {
		assert.True(t, p.streams.begin("ada"))
	}
	assert.Equal(t, http.StatusTooManyRequests, p.get("/events?at=/").Code)
	for _, at := range []string{"", "/templates", "https://x/", "//x/", "%", "/sessions/desks/desk/delete"} {
		assert.Equal(t, http.StatusNotFound, p.get("/events?at="+url.QueryEscape(at)).Code, at)
	}
	assert.Contains(t, p.as("eve", false).get("/events?at=/sessions/desks/desk").Body.String(), "event: gone", "what is not theirs")
	p.streams.mu.Lock()
	defer p.streams.mu.Unlock()
	assert.Empty(t, p.streams.of["eve"])
}
