package chaos

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// sessionValues are what a helm upgrade may set of sessions.
type sessionValues struct {
	says string
	set  func(*config.Sessions)
}

var allValues = []sessionValues{
	{"defaults", func(c *config.Sessions) { *c = config.Default().Sessions }},
	{"disconnectTimeout 10s", func(c *config.Sessions) { c.DisconnectTimeout = v1alpha1.NewDuration(lifecycle.Shortest) }},
	{"idleTimeout 10s", func(c *config.Sessions) { c.IdleTimeout = v1alpha1.NewDuration(lifecycle.Shortest) }},
	{"startupTimeout 10s", func(c *config.Sessions) { c.StartupTimeout = v1alpha1.NewDuration(lifecycle.Shortest) }},
	{"keepWorkloadFor 0s", func(c *config.Sessions) { c.KeepWorkloadFor = metav1.Duration{} }},
	{"keepWorkloadFor 1s", func(c *config.Sessions) { c.KeepWorkloadFor = metav1.Duration{Duration: time.Second} }},
}
