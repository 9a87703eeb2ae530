package pages

import (
	"cmp"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/org/vdi-operator/pkg/access"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/gpuuse"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/workload"
)

// perPage is how many sessions a page lists.
const perPage = 50

// gpuMetric counts what deleted desktops took, too.
const gpuMetric = "vdi_gpu_seconds_used_total"

// filters are what an administrator looks for; empty is all.
type filters struct {
	User, Template, State string
	// Bad is what is wrong by field.
	Bad map[string]string
}

// row is a session in the list of all.
type row struct {
	told
	ID, Namespace, Name, Path, User, Template string
	GPUs                                      string
	// In are those who are connected.
	In    string
	Used  fact
	Sleep bool
}

// count is a number with its label.
type count struct{ Label, Text string }

// choice is an option of a list to choose from.
type choice struct {
	Value, Text string
	Chosen      bool
}

// admin shows all sessions to those who look after them.
func (p *Pages) admin(v *visit) (view, *problem) {
	if !v.Admin {
		return view{}, problemNotFound
	}
	e, bad := v.everything()
	if bad != nil {
		return view{}, bad
	}
	f := v.filters()
	found := slices.DeleteFunc(e.list(), func(s *v1alpha1.VDISession) bool { return len(f.Bad) > 0 || !f.take(s) })
	slices.SortFunc(found, func(a, b *v1alpha1.VDISession) int {
		return cmp.Or(strings.Compare(a.Spec.User, b.Spec.User), byName(a, b))
	})
	pages := max(1, (len(found)+perPage-1)/perPage)
	at, _ := strconv.Atoi(v.r.URL.Query().Get("page"))
	at = min(max(at, 1), pages)
	data := adminData{Counts: v.counts(e), Week: v.Say("admin.week.note", "metric", gpuMetric), Filters: f,
		Templates: templateChoices(e, f.Template),
		States:    v.stateChoices(f.State), Found: v.Say("admin.found", "n", len(found)), Back: v.r.URL.RequestURI()}
	for _, s := range found[(at-1)*perPage : min(at*perPage, len(found))] {
		data.Rows = append(data.Rows, v.row(e, s))
	}
	if pages > 1 {
		data.Page = v.Say("admin.page", "n", at, "max", pages)
	}
	if at > 1 {
		data.Previous = f.page(at - 1)
	}
	if at < pages {
		data.Next = f.page(at + 1)
	}
	shown := view{File: "admin.html", Title: v.Say("admin.title"), Nav: "/admin", Live: true, Data: data}
	if len(f.Bad) > 0 {
		shown.Status = http.StatusBadRequest
	}
	return shown, nil
}

// adminData is what the page of all sessions shows.
type adminData struct {
	Counts []count
	// Week says what its sum leaves out.
	Week              string
	Filters           filters
	Templates, States []choice
	Found             string
	Rows              []row
	// Page is which one of how many; empty where there is one.
	Page, Previous, Next string
	// Back is the page's own address.
	Back string
}

// list are the sessions, to be put into an order of one's own.
func (e *everything) list() []*v1alpha1.VDISession {
	all := make([]*v1alpha1.VDISession, len(e.sessions))
	for i := range e.sessions {
		all[i] = &e.sessions[i]
	}
	return all
}

func (v *visit) filters() filters {
	q := v.r.URL.Query()
	f := filters{User: strings.TrimSpace(q.Get("user")), Template: q.Get("template"), State: q.Get("state"), Bad: map[string]string{}}
	if n := utf8.RuneCountInString(f.User); n > maxUser {
		f.Bad["user"] = v.Say("bad.filter", "n", n, "max", maxUser)
	}
	if f.State != "" && !slices.Contains(states, state(f.State)) {
		f.Bad["state"] = v.Say("bad.state", "value", f.State)
	}
	return f
}

// take says that a session is one of those looked for: a part of the user's name is enough.
func (f filters) take(s *v1alpha1.VDISession) bool {
	return strings.Contains(strings.ToLower(s.Spec.User), strings.ToLower(f.User)) &&
		(f.Template == "" || s.Spec.Template == f.Template) && (f.State == "" || stateOf(s) == state(f.State))
}

// page is the address of another page of what is looked for.
func (f filters) page(n int) string {
	q := url.Values{"page": {strconv.Itoa(n)}}
	for name, value := range map[string]string{"user": f.User, "template": f.Template, "state": f.State} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return "/admin?" + q.Encode()
}

// counts sum up all sessions.
func (v *visit) counts(e *everything) []count {
	awake, used, gpus, hours := 0, 0, map[string]float64{}, map[string]float64{}
	for i := range e.sessions {
		s := &e.sessions[i]
		of, n := "", int32(0)
		if t := e.templates[s.Spec.Template]; t != nil {
			of, n = workload.GPUs(t, s)
			hours[of] += gpuuse.Week(s, n, v.now).Hours()
		}
		if !lifecycle.Awake(s) {
			continue
		}
		awake++
		if inUse(s, v.now) {
			used++
		}
		gpus[of] += float64(n)
	}
	n := func(n int) string { return v.Number(float64(n)) }
	counts := []count{{v.Say("admin.total"), n(len(e.sessions))}, {v.Say("admin.awake"), n(awake)}, {v.Say("admin.inUse"), n(used)}}
	return append(counts, count{v.Say("admin.gpus"), v.gpuCounts(gpus)}, count{v.Say("admin.week"), v.gpuCounts(hours)})
}

// gpuCounts are numbers by resource, with one decimal; a resource is named where it is none of
// whole GPUs.
func (v *visit) gpuCounts(gpus map[string]float64) string {
	var parts []string
	for of, n := range gpus {
		switch n = math.Round(n*10) / 10; {
		case n == 0:
		case strings.HasSuffix(of, "/gpu"):
			parts = append(parts, v.Number(n))
		default:
			parts = append(parts, v.Say("cost.slice", "n", v.Number(n), "resource", of))
		}
	}
	if len(parts) == 0 {
		return v.Number(0)
	}
	slices.Sort(parts)
	return strings.Join(parts, " · ")
}

func (v *visit) row(e *everything, s *v1alpha1.VDISession) row {
	c := v.card(s, e.templates[s.Spec.Template])
	r := row{told: c.told, ID: c.ID, Namespace: s.Namespace, Name: s.Name, Path: c.Path, User: s.Spec.User, Template: s.Spec.Template,
		Sleep: c.Sleep}
	if t := e.templates[s.Spec.Template]; t != nil {
		_, n := workload.GPUs(t, s)
		r.GPUs = v.Number(float64(n))
	}
	if access.Allows(access.RolesOf(v.Person, s, v.now), access.SeeWho) {
		r.In = v.names(s)
	}
	switch used := lastUsed(s, v.now); {
	case inUse(s, v.now):
		r.Used.Text = v.Say("now")
	case used.IsZero():
		r.Used.Text = v.Say("never")
	default:
		r.Used = fact{Text: v.Relative(used, v.now), At: v.moment(used.Truncate(time.Second))}
	}
	return r
}

// templateChoices are the templates that there are, and the one that was asked for.
func templateChoices(e *everything, chosen string) []choice {
	var all []choice
	for name := range e.templates {
		all = append(all, choice{name, name, name == chosen})
	}
	if chosen != "" && e.templates[chosen] == nil {
		all = append(all, choice{chosen, chosen, true})
	}
	slices.SortFunc(all, func(a, b choice) int { return strings.Compare(a.Value, b.Value) })
	return all
}

func (v *visit) stateChoices(chosen string) (all []choice) {
	for _, s := range states {
		all = append(all, choice{string(s), v.Say("state." + string(s)), string(s) == chosen})
	}
	return all
}
