package config

import (
	"bytes"
	"context"
	"os"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/wait"
)

// Watcher rereads a configuration file for the part of it that may change while a program
// runs: that of the sessions. A change of anything else needs a restart, which the chart causes.
//
// It reads the file rather than the ConfigMap that is mounted as it: that needs no
// right in the cluster, works while the API server is away, and leaves one way for
// configuration to come. kubelet brings a change within a minute or two.
type Watcher struct {
	// Path is the file, Every how often it is read.
	Path  string
	Every time.Duration
	// Sessions are what holds now.
	Sessions Sessions
	// Changed is called with those that hold from now on.
	Changed func(Sessions)
	// Reloaded is called once for each change of the file; err says why the file is
	// refused, in which case what held before goes on to hold.
	Reloaded func(err error)
	Log      logr.Logger

	seen    []byte
	missing bool
	bad     bool
}

// Run watches until ctx ends.
func (w *Watcher) Run(ctx context.Context) {
	wait.UntilWithContext(ctx, func(context.Context) { w.read() }, w.Every)
}

func (w *Watcher) read() {
	raw, err := os.ReadFile(w.Path)
	if err != nil {
		if !w.missing {
			w.missing = true
			w.refuse(err)
		}
		return
	}
	if !w.missing && bytes.Equal(raw, w.seen) {
		return
	}
	w.seen, w.missing = raw, false
	c, err := Parse(raw)
	if err != nil {
		w.refuse(err)
		return
	}
	unchanged := equality.Semantic.DeepEqual(c.Sessions, w.Sessions)
	if unchanged && !w.bad {
		return
	}
	w.bad = false
	w.Reloaded(nil)
	if unchanged {
		return
	}
	w.Log.Info("what holds for sessions has changed", "from", w.Sessions, "to", c.Sessions)
	w.Sessions = c.Sessions
	w.Changed(c.Sessions)
}

func (w *Watcher) refuse(err error) {
	w.bad = true
	w.Log.Error(err, "the configuration has changed and is refused; what held before goes on to hold", "path", w.Path)
	w.Reloaded(err)
}
