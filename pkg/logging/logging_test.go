package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"log"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
		require.NoError(t, json.Unmarshal([]byte(line), &entry))
		assert.NotEmpty(t, entry.Level, "in the line %q", line)
		said = append(said, entry.Msg)
	}
	want := []string{"own", "controller-runtime", "structured klog", "plain klog", "klog with an error", "net/http's"}
	assert.Equal(t, strings.Join(want, "|"), strings.Join(said, "|"))
}
