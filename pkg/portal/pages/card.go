package pages

import (
	"cmp"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"k8s.io/utils/ptr"

	"github.com/org/vdi-operator/pkg/access"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/workload"
)

// face is how a template looks: its icon, or the first letter of its title.
type face struct{ Title, Icon, Initial string }

// faceOf takes icons by https alone; t may be nil.
func faceOf(name string, t *v1alpha1.VDITemplate) face {
	f := face{Title: name}
	if t != nil {
		if t.Spec.DisplayName != "" {
			f.Title = t.Spec.DisplayName
		}
		if u, err := url.Parse(t.Spec.Icon); err == nil && u.Scheme == "https" && u.Host != "" {
			f.Icon = t.Spec.Icon
		}
	}
	first, _ := utf8.DecodeRuneInString(strings.TrimSpace(f.Title))
	f.Initial = string(unicode.ToUpper(first))
	return f
}

// card is a desktop as it stands in a list and at the top of its own page.
type card struct {
	face
	told
	// ID is the session's in the page.
	ID                    string
	Namespace, Name, Path string
	// Owner is whose it is, Role what the visitor may; empty for one's own.
	Owner, Role string
	// Open is where it is opened; empty for nowhere at present.
	Open                       string
	Wake, Sleep, Share, Delete bool
}

func (v *visit) card(s *v1alpha1.VDISession, t *v1alpha1.VDITemplate) card {
	roles := access.RolesOf(v.Person, s, v.now)
	c := card{face: faceOf(s.Spec.Template, t), told: v.tell(s), ID: s.Namespace + "--" + s.Name, Namespace: s.Namespace, Name: s.Name,
		Path: sessionPath(s.Namespace, s.Name)}
	if s.Spec.User != v.User {
		c.Owner = v.Say("of", "user", s.Spec.User)
		c.Role = v.roleText(roles)
	}
	deleting, awake := c.State == stateDeleting, lifecycle.Awake(s)
	wakes := !awake && !lifecycle.PoweredOff(s) && !deleting && access.Allows(roles, access.Wake)
	if access.Allows(roles, access.See) && !deleting && (awake || wakes) {
		c.Open = v.Pages.Config.URL.SessionURL(s.Namespace, s.Name)
	}
	switch {
	case wakes && c.State == stateAsleep && c.Said == "":
		c.Said = v.Say("said.asleep")
	case c.State == stateAsleep && !wakes && access.Allows(roles, access.See):
		c.Hint = v.Say("said.viewer")
	}
	c.Wake = wakes
	c.Sleep = awake && !deleting && s.Spec.Power != v1alpha1.PowerAlwaysOn && access.Allows(roles, access.Sleep)
	c.Share = !deleting && access.Allows(roles, access.Share)
	c.Delete = !deleting && access.Allows(roles, access.Delete)
	return c
}

// roleText says what somebody may do in another's desktop.
func (v *visit) roleText(roles []access.Role) string {
	switch {
	case access.Allows(roles, access.Control):
		return v.Say("role.Controller")
	case access.Allows(roles, access.See):
		return v.Say("role.Viewer")
	}
	return ""
}

// costs are what a desktop takes while it is awake, and its home; t may be nil.
func (v *visit) costs(s *v1alpha1.VDISession, t *v1alpha1.VDITemplate) (all []string) {
	if t == nil {
		return nil
	}
	switch of, n := workload.GPUs(t, s); {
	case n == 0:
		all = append(all, v.Say("cost.noGPU"))
	case strings.HasSuffix(of, "/gpu"):
		all = append(all, v.Say("cost.gpu", "n", int(n)))
	default:
		all = append(all, v.Say("cost.slice", "n", int(n), "resource", of))
	}
	memory, cpu := t.Spec.Resources.DefaultMemory, t.Spec.Resources.DefaultCPU
	if s.Spec.Resources != nil {
		memory, cpu = cmp.Or(s.Spec.Resources.Memory, memory), cmp.Or(s.Spec.Resources.CPU, cpu)
	}
	if memory != nil {
		all = append(all, v.Say("cost.memory", "size", v.Size(*memory)))
	}
	if cpu != nil {
		if whole := cpu.Value(); cpu.MilliValue() == whole*1000 {
			all = append(all, v.Say("cost.cpu", "n", int(whole)))
		} else {
			all = append(all, v.Number(cpu.AsApproximateFloat64())+" CPU")
		}
	}
	if home := t.Spec.Persistence; ptr.Deref(home.Enabled, true) && home.Size != nil {
		all = append(all, v.Say("cost.home", "size", v.Size(*home.Size)))
	}
	return all
}
