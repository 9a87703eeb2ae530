//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/test/harness"
)

// The demo's own person is somebody else.
const hedysName, joansName = "hedy", "joan"

func TestPeopleSignInStartADesktopShareItAndSignOut(t *testing.T) {
	t.Parallel()
	ctx := story(t)
	offered := template(t, func(s *v1alpha1.VDITemplateSpec) {
		s.DisplayName = "Shared desktop"
		s.Env = append(s.Env, corev1.EnvVar{Name: "DESKTOP_PROTOCOL", Value: "selkies2-websockets"})
	})
	t.Cleanup(func() { removePeoplesSessions(context.WithoutCancel(ctx), t) })

	hedysUser, err := harness.JoinCompany(ctx, hedysName)
	require.NoError(t, err)
	joansUser, err := harness.JoinCompany(ctx, joansName)
	require.NoError(t, err)

	// Hedy signs in, and starts a desktop from the gallery.
	hedy := comesToThePortal(ctx, t, hedysName)
	hedy.does(chromedp.Navigate(harness.PortalURL + "templates"))
	start := fmt.Sprintf(`form:has(input[name=template][value=%q]) button`, offered)
	hedy.clicks(start)
	hedy.sees(`document.querySelector('` + harness.OpenButton + `')`)
	s := sessionOf(ctx, t, hedysUser)
	hedy.key = client.ObjectKeyFromObject(s)
	assert.Equal(t, offered, s.Spec.Template)
	pods, err := in.Pods(ctx, s)
	require.NoError(t, err)
	assert.Empty(t, pods, "making a session wakes nothing")
	hedy.clicks(harness.OpenButton)
	hedy.sees(harness.DesktopShown)
	hedy.sees(harness.FirstFrameShown)
	hedy.takesPicture("signed-in-desktop.png")

	// She lets Joan look, by name. Joan has a bookmark.
	s = sessionOf(ctx, t, hedysUser)
	_, err = in.Plugin(ctx, "share", s.Name, "--namespace", s.Namespace, "--user", joansUser, "--role", "Viewer")
	require.NoError(t, err)
	joan := comes(ctx, t, s.Status.URL, joansName)
	joan.sees(harness.FirstFrameShown)
	joan.takesPicture("shared-desktop.png")
	hedy.sees(harness.DesktopShown)
	both := regexp.MustCompile(`(?s)Connected:\n +` + regexp.QuoteMeta(hedysUser) + ` +Owner .*\n +` + regexp.QuoteMeta(joansUser) + ` +Viewer `)
	require.NoError(t, eventually.Wait(ctx, "both to be named", func() error {
		said, err := in.Plugin(ctx, "describe", s.Name, "--namespace", s.Namespace)
		if err == nil && !both.MatchString(said) {
			err = errors.New(said)
		}
		return err
	}))

	// She ends that, and Joan is out.
	require.NoError(t, in.Client.Get(ctx, hedy.key, s))
	for _, share := range s.Spec.Shares {
		_, err = in.Plugin(ctx, "share", s.Name, "--namespace", s.Namespace, "--end", share.Name)
		require.NoError(t, err)
	}
	joan.sees(`document.body.dataset.state === "ended"`)
	joan.takesPicture("share-ended.png")
	joan.does(chromedp.Navigate(s.Status.URL))
	joan.sees(`!document.querySelector("#frame")`)

	// The portal's and the operator's end sign nobody out.
	require.NoError(t, in.Client.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(in.SystemNamespace),
		client.MatchingLabels{"app.kubernetes.io/component": "portal"}))
	require.NoError(t, in.AllReady(ctx, in.SystemNamespace))
	hedy.sees(harness.DesktopShown)
	joan.does(chromedp.Navigate(harness.PortalURL))
	joan.sees(harness.PortalShown)

	// Who has left the company is signed out.
	require.NoError(t, harness.LeaveCompany(ctx, joansName))
	require.NoError(t, eventually.Wait(ctx, "joan's sign-in to end", func() error { return signedOut(ctx, joansUser) }))

	// Hedy signs out at the portal, in another tab: her desktop's page says so.
	require.NoError(t, chromedp.Run(hedy.Ctx, chromedp.Evaluate(`window.open("`+harness.PortalURL+`") && true`, nil)))
	other := hedy.otherTab()
	require.NoError(t, other.Until(ctx, harness.PortalShown))
	require.NoError(t, chromedp.Run(other.Ctx, chromedp.Evaluate(`document.querySelector("form.who button").click()`, nil)))
	hedy.sees(`document.body.dataset.state === "ended"`)
	hedy.takesPicture("signed-out.png")
	require.NoError(t, signedOut(ctx, hedysUser))
}

// clicks clicks what is there by then: the page takes its parts away and puts them back.
func (p *person) clicks(selector string) {
	p.t.Helper()
	p.sees(fmt.Sprintf(`(e => e && (e.click(), true))(document.querySelector(%q))`, selector))
}

// comesToThePortal is somebody who has signed in there.
func comesToThePortal(ctx context.Context, t *testing.T, name string) *person {
	t.Helper()
	p := comes(ctx, t, harness.PortalURL, name)
	p.sees(harness.PortalShown)
	return p
}

// comes opens an address in a browser of somebody's own, and signs in on the way.
func comes(ctx context.Context, t *testing.T, address, name string) *person {
	t.Helper()
	browser, err := harness.OpenBrowser(ctx)
	require.NoError(t, err)
	t.Cleanup(browser.Close)
	p := &person{browser, t, ctx, types.NamespacedName{}}
	require.NoError(t, p.SignIn(ctx, address, name))
	return p
}

// otherTab is the tab that a page has opened last.
func (p *person) otherTab() *harness.Browser {
	p.t.Helper()
	var tab *harness.Browser
	require.NoError(p.t, eventually.Wait(p.ctx, "another tab", func() (err error) {
		tab, err = p.Opened()
		return err
	}))
	return tab
}

func sessionOf(ctx context.Context, t *testing.T, user string) *v1alpha1.VDISession {
	t.Helper()
	var found *v1alpha1.VDISession
	require.NoError(t, eventually.Wait(ctx, "a session of "+user, func() error {
		var all v1alpha1.VDISessionList
		if err := in.Client.List(ctx, &all, client.InNamespace(harness.PeopleNamespace)); err != nil {
			return err
		}
		for i := range all.Items {
			if all.Items[i].Spec.User == user && all.Items[i].Status.URL != "" {
				found = &all.Items[i]
				return nil
			}
		}
		return fmt.Errorf("there are %d sessions, and none is theirs", len(all.Items))
	}))
	return found
}

func signedOut(ctx context.Context, user string) error {
	var all v1alpha1.VDISignInList
	if err := in.Client.List(ctx, &all, client.InNamespace(in.SystemNamespace)); err != nil {
		return err
	}
	for i := range all.Items {
		if all.Items[i].Spec.User == user {
			return fmt.Errorf("%s is signed in", user)
		}
	}
	return nil
}

func removePeoplesSessions(ctx context.Context, t *testing.T) {
	t.Helper()
	assert.NoError(t, in.Client.DeleteAllOf(ctx, &v1alpha1.VDISession{}, client.InNamespace(harness.PeopleNamespace)))
}
