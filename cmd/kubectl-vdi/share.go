package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/access"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/signin"
)

// sharing is what is to become of a session's shares.
type sharing struct {
	user, role, end string
	link            bool
	uses            int32
	expires         time.Duration
	system          string
}

var shareRoles = []string{string(v1alpha1.ShareViewer), string(v1alpha1.ShareController)}

func (p *plugin) newShare() *cobra.Command {
	var w sharing
	cmd := &cobra.Command{
		Use:   "share SESSION",
		Short: "Let others into a session, list whom, and end that",
		Long: `Let others into a session beside its owner: a colleague who signs in, or whoever has a
link. A viewer sees the desktop while it is awake; a controller types in it and may wake it.

A link is printed once, and nobody can read it off the session later: send it like a
password. Without --user, --link or --end, the session's shares are listed. Whoever was let
in by a share that is ended is out within a minute.`,
		Example: "  kubectl vdi share alice --namespace desktops\n" +
			"  kubectl vdi share alice --namespace desktops --user bob@example.com --role Controller\n" +
			"  kubectl vdi share alice --namespace desktops --link --uses 1 --expires 2h\n" +
			"  kubectl vdi share alice --namespace desktops --end NAME",
		Args:              one("session"),
		ValidArgsFunction: p.completeSession(),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, flag := range []string{"role", "uses", "expires"} {
				if cmd.Flags().Changed(flag) && w.user == "" && !w.link {
					return fmt.Errorf("--%s is of a new share: say with whom by --user or --link", flag)
				}
			}
			if err := w.check(); err != nil {
				return err
			}
			return p.share(cmd.Context(), args[0], w)
		},
	}
	cmd.Flags().StringVar(&w.user, "user", "", "let in this user")
	cmd.Flags().BoolVar(&w.link, "link", false, "let in whoever has the link that is printed")
	cmd.Flags().StringVar(&w.role, "role", string(v1alpha1.ShareViewer), "what they may do: "+strings.Join(shareRoles, " or "))
	cmd.Flags().Int32Var(&w.uses, "uses", 0, "how many browsers may open the link; 0 is as many as people like")
	cmd.Flags().DurationVar(&w.expires, "expires", 0, "how long the share lasts, such as 2h; 0 is until it is ended")
	cmd.Flags().StringVar(&w.end, "end", "", "end the share of this name")
	cmd.Flags().StringVar(&w.system, "system-namespace", "", "the namespace that the chart is installed in, as for kubectl vdi link")
	cmd.MarkFlagsMutuallyExclusive("user", "link", "end")
	_ = cmd.RegisterFlagCompletionFunc("role", cobra.FixedCompletions(shareRoles, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("end", p.completeShare())
	return cmd
}

func (w sharing) check() error {
	switch {
	case !slices.Contains(shareRoles, w.role):
		return fmt.Errorf("--role %s: must be %s", w.role, strings.Join(shareRoles, " or "))
	case w.uses < 0 || w.uses > 10000:
		return fmt.Errorf("--uses %d: must be 1 to 10000, or 0 for as many as people like", w.uses)
	case w.uses > 0 && !w.link:
		return errors.New("--uses counts browsers that open a link: add --link")
	case w.expires < 0 || w.expires > lifecycle.Longest:
		return fmt.Errorf("--expires %s: must be %s or less, such as 2h, or 0 for no end", w.expires, lifecycle.Longest)
	}
	return nil
}

func (p *plugin) share(ctx context.Context, name string, w sharing) error {
	c, s, err := p.findSession(ctx, name)
	switch {
	case err != nil:
		return err
	case w.end != "":
		return p.endShare(ctx, c, s, w.end)
	case w.user != "":
		return p.shareWithUser(ctx, c, s, w)
	case w.link:
		return p.shareByLink(ctx, c, s, w)
	}
	return p.printShares(s)
}

func (p *plugin) printShares(s *v1alpha1.VDISession) error {
	if len(s.Spec.Shares) == 0 {
		_, err := fmt.Fprintf(p.ErrOut, "Session %s/%s is shared with nobody; --user and --link share it.\n", s.Namespace, s.Name)
		return err
	}
	return printTable(p.Out, shareColumns(s, p.now()), s.Spec.Shares, false)
}

func shareColumns(s *v1alpha1.VDISession, now time.Time) []column[v1alpha1.Share] {
	type share = v1alpha1.Share
	return []column[share]{
		{name: "NAME", value: func(sh *share) string { return sh.Name }},
		{name: "ROLE", value: func(sh *share) string { return string(sh.Role) }},
		{name: "FOR", value: sharedWith},
		{name: "USES", value: func(sh *share) string { return uses(s, sh) }},
		{name: "ENDS IN", value: func(sh *share) string { return endsIn(sh, now) }},
	}
}

func sharedWith(sh *v1alpha1.Share) string {
	if sh.Link != nil {
		return "whoever has the link"
	}
	return sh.User
}

// uses is how often a share's link was opened, and may be.
func uses(s *v1alpha1.VDISession, sh *v1alpha1.Share) string {
	if sh.Link == nil {
		return "-"
	}
	used := 0
	if a := s.Status.Activity; a != nil {
		if i := slices.IndexFunc(a.Shares, func(u v1alpha1.ShareUse) bool { return u.Name == sh.Name }); i >= 0 {
			used = int(a.Shares[i].Uses)
		}
	}
	if sh.Link.MaxUses == 0 {
		return strconv.Itoa(used)
	}
	return fmt.Sprintf("%d of %d", used, sh.Link.MaxUses)
}

func endsIn(sh *v1alpha1.Share, now time.Time) string {
	switch {
	case sh.ExpiresAt == nil:
		return "-"
	case !access.Holds(sh, now):
		return "has ended"
	}
	return duration.HumanDuration(sh.ExpiresAt.Sub(now))
}

// makeShare is one with a name that no other had.
func (p *plugin) makeShare(w sharing) v1alpha1.Share {
	sh := v1alpha1.Share{Name: strings.ToLower(w.role) + "-" + rand.String(8), Role: v1alpha1.ShareRole(w.role), User: w.user}
	if w.expires > 0 {
		sh.ExpiresAt = &metav1.Time{Time: p.now().Add(w.expires)}
	}
	return sh
}

func (p *plugin) shareWithUser(ctx context.Context, c client.Client, s *v1alpha1.VDISession, w sharing) error {
	if w.user == s.Spec.User {
		return fmt.Errorf("session %s/%s is %s's own: name somebody else", s.Namespace, s.Name, w.user)
	}
	sh := p.makeShare(w)
	if err := changeShares(ctx, c, s, func() error { s.Spec.Shares = append(s.Spec.Shares, sh); return nil }); err != nil {
		return err
	}
	_, err := fmt.Fprintf(p.Out, "Share %s lets %s in as %s: %s\n", sh.Name, w.user, w.role, s.Status.URL)
	return err
}

func (p *plugin) shareByLink(ctx context.Context, c client.Client, s *v1alpha1.VDISession, w sharing) error {
	address, err := addressToShare(ctx, c, s, w.system)
	if err != nil {
		return err
	}
	secret, sh := signin.NewSecret(), p.makeShare(w)
	sh.Link = &v1alpha1.ShareLink{SecretHash: signin.Hash(secret), MaxUses: w.uses}
	if err := changeShares(ctx, c, s, func() error { s.Spec.Shares = append(s.Spec.Shares, sh); return nil }); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(p.ErrOut, "Share %s lets in whoever has this link, as %s. It is not shown again.\n", sh.Name, w.role)
	_, err = fmt.Fprintln(p.Out, signin.ShareLink(address, sh.Name, secret))
	return err
}

// addressToShare is the session's by the installation's configuration: whoever could write
// status.url would be sent the secret. Who may not read that has only the status.
func addressToShare(ctx context.Context, c client.Client, s *v1alpha1.VDISession, system string) (string, error) {
	if err := expectURL(s); err != nil {
		return "", err
	}
	by, err := servedBy(ctx, c, s.Namespace, system)
	switch {
	case apierrors.IsForbidden(err):
		return s.Status.URL, nil
	case err != nil:
		return "", err
	}
	return by.URL.SessionURL(s.Namespace, s.Name), nil
}

func (p *plugin) endShare(ctx context.Context, c client.Client, s *v1alpha1.VDISession, name string) error {
	err := changeShares(ctx, c, s, func() error {
		before := len(s.Spec.Shares)
		s.Spec.Shares = slices.DeleteFunc(s.Spec.Shares, func(sh v1alpha1.Share) bool { return sh.Name == name })
		if len(s.Spec.Shares) == before {
			return fmt.Errorf("session %s/%s has no share %s: kubectl vdi share %[2]s --namespace %[1]s lists them", s.Namespace, s.Name, name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.Out, "Share %s has ended; whoever it let in is out within a minute.\n", name)
	return err
}

// changeShares writes the list of shares as a whole: not over a change of somebody else's.
func changeShares(ctx context.Context, c client.Client, s *v1alpha1.VDISession, change func() error) error {
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		if err := c.Get(ctx, client.ObjectKeyFromObject(s), s); err != nil {
			return err
		}
		base := s.DeepCopy()
		if err := change(); err != nil {
			return err
		}
		return c.Patch(ctx, s, client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{}))
	})
}

// completeShare offers the shares of the session that is named already.
func (p *plugin) completeShare() completion {
	return func(cmd *cobra.Command, args []string, _ string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
		if len(args) != 1 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		_, s, err := p.findSession(cmd.Context(), args[0])
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		for i := range s.Spec.Shares {
			names = append(names, cobra.CompletionWithDesc(s.Spec.Shares[i].Name, sharedWith(&s.Spec.Shares[i])))
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
