package harness

import (
	"context"
	"fmt"
	"net/http"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/org/vdi-operator/test/platform/env"
)

const (
	// PeopleNamespace is where the portal makes the demo's sessions.
	PeopleNamespace = "vdi-people"
	// provider is the demo's identity provider, as this machine reaches it.
	provider = "http://127.0.0.1:5556"
)

// PortalURL is where people sign in.
var PortalURL = fmt.Sprintf("http://portal.localhost:%d/", env.DefaultPort)

// What the portal and the demo's provider show.
const (
	SignInFormShown = `location.port === "5556" && document.querySelector("#username")`
	PortalShown     = `location.hostname === "portal.localhost" && document.querySelector("form.who")`
	OpenButton      = `a[id^="open-"]`
)

// SignsIn says that there is an identity provider, which is on the test cluster only.
func (in *Installation) SignsIn() bool { return !in.PortForward }

// SignIn goes to an address, which leads to the demo's provider, and signs in there as somebody
// whose password is their name.
func (b *Browser) SignIn(ctx context.Context, address, name string) error {
	// A headless tab has no focus of its own.
	if err := chromedp.Run(b.Ctx, emulation.SetFocusEmulationEnabled(true), chromedp.Navigate(address)); err != nil {
		return err
	}
	if err := b.Until(ctx, SignInFormShown); err != nil {
		return fmt.Errorf("%w; %s", err, b.Describe())
	}
	return chromedp.Run(b.Ctx, chromedp.SendKeys("#username", name, chromedp.ByQuery), chromedp.SendKeys("#password", name, chromedp.ByQuery),
		chromedp.Click("button[type=submit]", chromedp.ByQuery))
}

// JoinCompany lets somebody sign in at the demo's provider, with their name as the password, and
// returns who they are to sessions.
func JoinCompany(ctx context.Context, name string) (user string, err error) {
	return name + "@example.com", askProvider(ctx, http.MethodPut, name)
}

// LeaveCompany takes somebody out of the demo's provider.
func LeaveCompany(ctx context.Context, name string) error {
	return askProvider(ctx, http.MethodDelete, name)
}

func askProvider(ctx context.Context, method, name string) error {
	r, err := http.NewRequestWithContext(ctx, method, provider+"/people/"+name, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("the provider answered %s", resp.Status)
	}
	return nil
}
