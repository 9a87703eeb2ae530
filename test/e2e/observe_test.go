//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/test/harness"
	"github.com/org/vdi-operator/test/monitoring"
)

func TestAPrometheusSeesOneWakeOfAnInstallationWithEverythingSwitchedOn(t *testing.T) {
	ctx := storyOfTheRelease(t, patience)
	manifests := switchEverythingOn(ctx, t)
	chart, err := monitoring.ParseChart(manifests)
	require.NoError(t, err)
	require.Len(t, chart.Jobs(), 4, "the chart's monitors scrape, want operator, activator, coturn and the program on nodes")
	running, stop := context.WithCancel(ctx)
	prometheus, err := monitoring.Start(running, chart, in.Kube, t.TempDir())
	require.NoError(t, err)
	defer func() {
		stop()
		prometheus.Wait()
		if said := prometheus.Log(); t.Failed() && said != "" {
			t.Logf("Prometheus says:\n%s", said)
		}
	}()
	value := func(expr string) (float64, error) {
		v, err := prometheus.Vector(ctx, expr)
		if err != nil {
			return 0, err
		}
		return float64(v[0].Value), nil
	}
	above := func(expr string) func() error {
		return func() error {
			v, err := value(expr)
			if err == nil && (math.IsNaN(v) || math.IsInf(v, 0) || v <= 0) {
				err = fmt.Errorf("%s is %g", expr, v)
			}
			return err
		}
	}
	// What is scraped is there before the wake, so that the wake shows as a difference.
	require.NoError(t, eventually.Wait(ctx, "each replica to be scraped", func() error { return scraped(ctx, prometheus) }))

	key := session(ctx, t, "watched", template(t, func(s *v1alpha1.VDITemplateSpec) { s.Resources.DefaultGPU = ptr(int32(1)) }), nil)
	require.NoError(t, eventually.Wait(ctx, "GPU seconds to be saved", above(`sum(vdi_gpu_seconds_saved_total)`)))
	stream, err := invited(ctx, t, key).View(ctx, nil)
	require.NoError(t, err)
	defer stream.Close()
	require.NoError(t, stream.WaitFrames(ctx, wantFrames))

	vars := monitoring.Variables{Namespace: in.SystemNamespace, RateInterval: "4m", Range: "5m"}
	queries, err := monitoring.Queries(chart.Dashboard)
	require.NoError(t, err)
	for _, q := range queries {
		err := eventually.Wait(ctx, "the panel "+q.Panel+" to show something", func() error {
			_, err := prometheus.Vector(ctx, q.With(vars))
			return err
		})
		assert.NoError(t, err)
	}
	for _, expr := range []string{
		`sum(increase(vdi_session_wakes_total[4m]))`,
		`histogram_quantile(0.5, sum by (le) (rate(vdi_activator_cold_start_seconds_bucket{stage="reached"}[4m])))`,
		`histogram_quantile(0.5, sum by (le) (rate(vdi_activator_cold_start_seconds_bucket{stage="first_message"}[4m])))`,
		`sum(increase(vdi_activator_holds_total[4m]))`,
		`sum(vdi_gpu_seconds_used_total)`,
		`sum(vdi_activator_relayed_bytes_total)`,
	} {
		assert.NoError(t, eventually.Wait(ctx, "the wake to show", above(expr)))
	}
	t.Logf("%d queries of the dashboard have data", len(queries))

	if err := eventually.Wait(ctx, "every rule to be evaluated", func() error { return evaluated(ctx, prometheus, len(chart.Rules.All())) }); err != nil {
		t.Error(err)
	}
	imagesAreKept(ctx, t)
}

// imagesAreKept sees a template's image on the node without any desktop, until the release is the
// platform's again, which keeps none.
func imagesAreKept(ctx context.Context, t *testing.T) {
	t.Helper()
	says := func(template string, nodes int32, message string) {
		assert.NoError(t, eventually.Wait(ctx, "the template to say where its image is", func() error {
			said := &v1alpha1.VDITemplate{}
			if err := in.Client.Get(ctx, client.ObjectKey{Name: template}, said); err != nil {
				return err
			}
			if p := said.Status.PrePull; p == nil || p.Desired != nodes || p.Ready != nodes || !strings.HasPrefix(p.Message, message) {
				return fmt.Errorf("have %+v", p)
			}
			return nil
		}))
	}
	says(template(t, nil), 1, "")
	says(template(t, func(s *v1alpha1.VDITemplateSpec) { s.Resources.DefaultGPU = ptr(int32(1)) }), 0, "No node that the template's podTemplate allows has one of")
	require.NoError(t, upgrade(ctx))
	assert.NoError(t, eventually.Wait(ctx, "the DaemonSets to go with their service account", func() error {
		left := &appsv1.DaemonSetList{}
		err := in.Client.List(ctx, left, client.InNamespace(in.SystemNamespace), client.HasLabels{v1alpha1.LabelPrePull})
		if err == nil && len(left.Items) > 0 {
			err = fmt.Errorf("%d are there", len(left.Items))
		}
		return err
	}))
}

// switchEverythingOn upgrades the release to all that the chart can do at once, and
// returns what it has installed.
func switchEverythingOn(ctx context.Context, t *testing.T) []byte {
	t.Helper()
	must := func(err error) {
		t.Helper()
		require.NoError(t, err)
	}
	must(in.Define(ctx))
	secret, _, err := certificate(in.SystemNamespace, "turn-tls", "turn.vdi.example.com")
	must(err)
	must(in.Client.Create(ctx, secret))
	t.Cleanup(func() { remove(t, secret) })
	// Nothing ends TLS on this machine's way in: the ingress story does that. And these values have
	// objects of their own in the place of the demo's provider.
	must(upgrade(ctx, "--values", filepath.Join(in.Root, "test", "chart", "testdata", "everything.values.yaml"),
		"--set", "ingress.domain=localhost", "--set", "ingress.tls.certManager.issuer.name=",
		"--set", "auth.oidc.issuer=,auth.oidc.clientID="))
	said, err := in.Release().Test(ctx)
	assert.NoError(t, err, "helm test, %s", said)
	manifests, err := in.Release().Helm(ctx, "get", "manifest", in.Release().Name)
	must(err)
	return []byte(manifests)
}

// scraped says that each replica of our programs, and whatever else the monitors choose,
// answers Prometheus.
func scraped(ctx context.Context, p *monitoring.Prometheus) error {
	targets, err := p.Targets(ctx)
	if err != nil {
		return err
	}
	up := map[string]int{}
	for _, target := range targets.Active {
		if target.Health != promv1.HealthGood {
			return fmt.Errorf("%s of %s is %s: %s", target.ScrapeURL, target.Labels["job"], target.Health, target.LastError)
		}
		up[string(target.Labels["job"])]++
	}
	for _, component := range []string{harness.Operator, harness.Activator} {
		pods, err := in.Programs(ctx, component)
		if err != nil {
			return err
		}
		if job := "vdi-" + component; len(pods) == 0 || up[job] != len(pods) {
			return fmt.Errorf("%d replicas of %s are scraped, want %d", up[job], job, len(pods))
		}
	}
	return nil
}

// evaluated says that each alert was evaluated without an error.
func evaluated(ctx context.Context, p *monitoring.Prometheus, want int) error {
	rules, err := p.Rules(ctx, nil)
	if err != nil {
		return err
	}
	seen := 0
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			alert, ok := r.(promv1.AlertingRule)
			if !ok || alert.Health != promv1.RuleHealthGood {
				return fmt.Errorf("rule %+v", r)
			}
			seen++
		}
	}
	if seen != want {
		return fmt.Errorf("%d rules, want %d", seen, want)
	}
	return nil
}
