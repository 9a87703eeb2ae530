//go:build e2e

package e2e

import (
	"context"
	"fmt"
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

// ada and grace are people of the demo's provider; grace administers sessions.
const (
	adasName, gracesName = "ada", "grace"
	adasUser, gracesUser = "ada@example.com", "grace@example.com"
)

func TestPeopleSignInStartADesktopShareItAndSignOut(t *testing.T) {
	t.Parallel()
	ctx := story(t)
	offered := template(t, func(s *v1alpha1.VDITemplateSpec) {
		s.DisplayName = "Shared desktop"
		s.Env = append(s.Env, corev1.EnvVar{Name: "DESKTOP_PROTOCOL", Value: "selkies2-websockets"})
	})
	t.Cleanup(func() { removePeoplesSessions(context.WithoutCancel(ctx), t) })

	// Ada signs in, and starts a desktop from the gallery.
	ada := comesToThePortal(ctx, t, adasName)
	ada.does(chromedp.Navigate(harness.PortalURL + "templates"))
	start := fmt.Sprintf(`form:has(input[name=template][value=%q]) button`, offered)
	ada.sees(fmt.Sprintf(`document.querySelector(%q)`, start))
	ada.does(chromedp.Click(start, chromedp.ByQuery))
	ada.sees(`document.querySelector('` + harness.OpenButton + `')`)
	s := sessionOf(ctx, t, adasUser)
	ada.key = client.ObjectKeyFromObject(s)
	assert.Equal(t, offered, s.Spec.Template)
	pods, err := in.Pods(ctx, s)
	require.NoError(t, err)
	assert.Empty(t, pods, "making a session wakes nothing")
	ada.does(chromedp.Click(harness.OpenButton, chromedp.ByQuery))
	ada.sees(harness.DesktopShown)
	ada.sees(harness.FirstFrameShown)
	ada.takesPicture("signed-in-desktop.png")

	// She lets Grace look, by name. Grace has a bookmark.
	s = sessionOf(ctx, t, adasUser)
	_, err = in.Plugin(ctx, "share", s.Name, "--namespace", s.Namespace, "--user", gracesUser, "--role", "Viewer")
	require.NoError(t, err)
	grace := comes(ctx, t, s.Status.URL, gracesName)
	grace.sees(harness.FirstFrameShown)
	grace.takesPicture("shared-desktop.png")
	ada.sees(harness.DesktopShown)

	// She ends that, and Grace is out.
	require.NoError(t, in.Client.Get(ctx, ada.key, s))
	for _, share := range s.Spec.Shares {
		_, err = in.Plugin(ctx, "share", s.Name, "--namespace", s.Namespace, "--end", share.Name)
		require.NoError(t, err)
	}
	grace.sees(`document.body.dataset.state === "ended"`)
	grace.takesPicture("share-ended.png")
	grace.does(chromedp.Navigate(s.Status.URL))
	grace.sees(`!document.querySelector("#frame")`)

	// The portal's and the operator's end sign nobody out.
	require.NoError(t, in.Client.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(in.SystemNamespace),
		client.MatchingLabels{"app.kubernetes.io/component": "portal"}))
	require.NoError(t, in.AllReady(ctx, in.SystemNamespace))
	ada.sees(harness.DesktopShown)
	grace.does(chromedp.Navigate(harness.PortalURL))
	grace.sees(harness.PortalShown)

	// Who has left the company is signed out.
	require.NoError(t, harness.LeaveCompany(ctx, gracesName))
	require.NoError(t, eventually.Wait(ctx, "grace's sign-in to end", func() error { return signedOut(ctx, gracesUser) }))

	// Ada signs out at the portal, in another tab: her desktop's page says so.
	require.NoError(t, chromedp.Run(ada.Ctx, chromedp.Evaluate(`window.open("`+harness.PortalURL+`") && true`, nil)))
	other := ada.otherTab()
	require.NoError(t, other.Until(ctx, harness.PortalShown))
	require.NoError(t, chromedp.Run(other.Ctx, chromedp.Click("form.who button", chromedp.ByQuery)))
	ada.sees(`document.body.dataset.state === "ended"`)
	ada.takesPicture("signed-out.png")
	require.NoError(t, signedOut(ctx, adasUser))
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
