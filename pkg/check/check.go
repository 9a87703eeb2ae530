// Package check examines a running installation from inside its cluster and says, in one
// line each, what is as it should be and what is not, with the remedy.
//
// It changes nothing, needs no secret, and judges by what answers rather than by what is
// configured. What only a browser's network can show is a warning, not a failure.
package check

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/config"
)

const (
	// answerWithin bounds one question.
	answerWithin = 5 * time.Second
	// askEvery is the pause before something that failed is asked again.
	askEvery = 2 * time.Second
)

// Checker checks one installation; all fields are required.
type Checker struct {
	Client client.Client
	Config config.Config
	// Kinds are the definitions that the operator needs.
	Kinds []schema.GroupVersionKind
	// Operator and Activator are the programs' Deployments; the activator's Service for
	// visitors has its Deployment's name.
	Operator, Activator types.NamespacedName
	// HTTP and Resolver reach the network as the pod sees it.
	HTTP     *http.Client
	Resolver *net.Resolver
	// Patience is how long what fails at first may take to mend itself, all in all: an
	// installation may be checked the moment it is made.
	Patience time.Duration
	// Out gets the lines.
	Out io.Writer
}

// verdict is how one thing was found.
type verdict int

const (
	ok verdict = iota
	warning
	failure
)

func (v verdict) String() string { return [...]string{"ok", "warn", "FAIL"}[v] }

// finding is one line.
type finding struct {
	verdict
	// what was checked, seen is how it is, and remedy what to do; only a finding that
	// is not ok has a remedy.
	what, seen, remedy string
}

func (f finding) line() string {
	text := fmt.Sprintf("%-4s  %s: %s", f.verdict, f.what, f.seen)
	if f.remedy != "" {
		text += "; " + f.remedy
	}
	return text
}

func good(what, seen string, args ...any) finding {
	return finding{what: what, seen: fmt.Sprintf(seen, args...)}
}

func bad(what string, seen any, remedy string) finding {
	return finding{verdict: failure, what: what, seen: fmt.Sprint(seen), remedy: remedy}
}

// warned is a finding that fails nothing.
func warned(f finding) finding {
	f.verdict = min(f.verdict, warning)
	return f
}

// check checks one thing, or one that turns out to be several.
type check func(context.Context) []finding

func one(f func(context.Context) finding) check {
	return func(ctx context.Context) []finding { return []finding{f(ctx)} }
}

// Run prints a line for everything, and returns an error when something failed.
func (c *Checker) Run(ctx context.Context) error {
	end := time.Now().Add(c.Patience)
	failed := 0
	for _, what := range []check{
		one(c.definitions), c.deployment("operator", c.Operator), one(c.conditions), c.deployment("activator", c.Activator),
		one(c.visitors), one(c.desktops), c.metrics, c.turn, one(c.domain),
	} {
		for _, f := range patiently(ctx, end, what) {
			if f.verdict == failure {
				failed++
			}
			_, _ = fmt.Fprintln(c.Out, f.line())
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of the checks failed", failed)
	}
	return nil
}

// patiently repeats a check until nothing fails, or the time has come.
func patiently(ctx context.Context, end time.Time, what check) (found []finding) {
	_ = wait.PollUntilContextCancel(ctx, askEvery, true, func(ctx context.Context) (bool, error) {
		found = what(ctx)
		failed := slices.ContainsFunc(found, func(f finding) bool { return f.verdict == failure })
		return !failed || !time.Now().Add(askEvery).Before(end), nil
	})
	return found
}
