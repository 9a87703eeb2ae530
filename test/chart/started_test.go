package chart

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/org/vdi-operator/pkg/config"
)

// A program that refuses what the chart took is a crash loop.
func TestAProgramStartsWithEveryDurationThatTheChartTakes(t *testing.T) {
	for _, key := range []string{"sessions.idleTimeout", "sessions.disconnectTimeout", "sessions.maxDuration", "sessions.startupTimeout",
		"sessions.keepWorkloadFor", "turn.credentialTTL", "limits.holdHTTP", "limits.holdTime", "limits.headerTimeout", "limits.relayIdleTimeout"} {
		taken := 0
		for _, value := range []string{"0s", "1ms", "9.999s", "10s", "59.9s", "719h59m60s", "720h1s", "8760h", "8760h1s", "9999999h"} {
			out, err := release.Template(t.Context(), "--set", key+"="+value)
			if err != nil {
				assert.Contains(t, err.Error(), value, "%s=%s: the refusal names no value: %s", key, value, err)
				continue
			}
			taken++
			for _, o := range objects(t)(out, nil) {
				if file, is, _ := unstructured.NestedString(o.Object, "data", "config.yaml"); is && slices.Contains([]string{"vdi-operator", "vdi-activator"}, o.GetName()) {
					_, err := config.Parse([]byte(file))
					require.NoError(t, err, "%s=%s: the chart takes it, %s does not", key, value, o.GetName())
				}
			}
		}
		assert.Positive(t, taken, "%s: the chart takes nothing", key)
	}
}
