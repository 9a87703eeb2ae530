package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"log"
	"log/slog"
	"strings"
	"testing"

	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
)

func TestEveryLineIsOneJSONObjectWhoeverWritesIt(t *testing.T) {
	var out bytes.Buffer
	own := Setup(&out, slog.LevelInfo)
	own.Info("own", "key", "value")
	own.Debug("hidden at this level")
	ctrl.Log.WithName("controller").Info("controller-runtime")
	klog.Background().Info("structured klog")
	klog.Warning("plain klog")
	klog.ErrorS(errors.New("broken"), "klog with an error")
	log.Print("net/http's")
	klog.Flush()

	var said []string
	for line := range strings.Lines(out.String()) {
		var entry struct{ Level, Msg string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.Level == "" {
			t.Errorf("%v in the line %q", err, line)
		}
		said = append(said, entry.Msg)
	}
	want := []string{"own", "controller-runtime", "structured klog", "plain klog", "klog with an error", "net/http's"}
	if got := strings.Join(said, "|"); got != strings.Join(want, "|") {
		t.Errorf("have %s\nwant %s", got, strings.Join(want, "|"))
	}
}
