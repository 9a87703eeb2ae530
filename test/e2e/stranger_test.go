//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/test/harness"
)

const (
	strangersNamespace = "vdi-e2e-stranger"
	// strangersTLS is the Secret with the certificate for the domain of the sketch.
	strangersTLS, strangersDomain = "stranger-tls", "vdi.example.com"
	websecure                     = "websecure"
	// secondBuild is the tag of the second build's images.
	secondBuild = "0.3.1"
	// sketch are the values that the product was first described with, in the clone.
	sketch = "test/chart/testdata/sketch.values.yaml"
	// here is what the sketch cannot say of this cluster: the version, a certificate, a desktop's image
	// that the registry has, and that the node is small and lets go quickly.
	here = `image: {tag: v%[1]s}
operator: {image: {tag: v%[1]s}}
selkies:
  image: ghcr.io/org/vdi-desktop:%[1]s
  defaultResources: {memory: 1Gi, cpu: "1"}
ingress: {tls: {secretName: %[2]s}}
knative: {enabled: %[3]t}
activator: {replicas: 1, shutdownDelaySeconds: 3}
coturn: {terminationGracePeriodSeconds: 10}
`
)

// releases are what a story of releases installs.
type releases struct {
	// previous is the version before this tree's, previously how it is installed.
	previous   string
	previously []string
	// traefik is an image.
	traefik string
	// stranger has this tree's in a registry.
	*harness.Stranger
}

// makeReleases makes them side by side, in an empty folder. The stranger's registry ends with ctx.
func makeReleases(whole context.Context, folder string) (r releases, err error) {
	all, ctx := errgroup.WithContext(whole)
	all.Go(func() (err error) {
		r.previous, r.previously, err = in.Previous(ctx)
		return err
	})
	all.Go(func() (err error) {
		r.traefik, err = in.Traefik(ctx)
		return err
	})
	all.Go(func() (err error) {
		if r.Stranger, err = in.Stranger(whole, folder); err != nil {
			return err
		}
		return r.release(ctx)
	})
	err = all.Wait()
	return r, err
}

// release makes this tree's release, and the images of a second build.
func (r *releases) release(ctx context.Context) error {
	for _, step := range []struct{ page, begin, more string }{
		{"docs/releases.md", "make release REGISTRY=", ""},
		{"docs/install.md", "make images REGISTRY=", "TAG=" + secondBuild + " VERSION=v" + secondBuild},
	} {
		if _, err := r.Follows(ctx, step.page, step.begin, step.more); err != nil {
			return err
		}
	}
	return nil
}

// stranger is somebody from elsewhere who does what the pages say.
type stranger struct {
	*harness.Stranger
	traefik *traefik
	// at is the installation by way of Traefik, with the release's plugin.
	at *harness.Installation
	// values are flags of Helm's.
	values []string
}

// arrive brings up what somebody has who reads the pages: an ingress controller, a certificate, the
// definitions of the Prometheus Operator, and the plugin.
func arrive(ctx context.Context, t *testing.T, made releases) *stranger {
	t.Helper()
	s := &stranger{Stranger: made.Stranger}
	s.traefik = newTraefik(ctx, t, traefik{namespace: strangersNamespace, class: "traefik", entryPoints: map[string]int{websecure: 8443}}, made.traefik)
	require.NoError(t, in.Define(ctx))
	tls, trusts, err := certificate(in.SystemNamespace, strangersTLS, "*."+strangersDomain)
	require.NoError(t, err)
	require.NoError(t, in.Recreate(ctx, tls))
	t.Cleanup(func() { remove(t, tls) })

	file := filepath.Join(t.TempDir(), "here.yaml")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, here, harness.ReleaseVersion, strangersTLS, in.Knative), 0o600))
	// The registry has the desktop's image, which the pages' commands do not count on.
	s.values = []string{"--values", sketch, "--values", file, "--set", "selkies.enabled=true"}
	s.traefik.ready(ctx, 1)
	s.at = s.traefik.behind(websecure, trusts)
	s.at.PluginProgram, err = s.InstallPlugin(ctx)
	require.NoError(t, err)
	return s
}

// follows types the command of a page.
func (s *stranger) follows(ctx context.Context, t *testing.T, page, begin string, more ...string) string {
	t.Helper()
	printed, err := s.Follows(ctx, page, begin, more...)
	require.NoError(t, err)
	return printed
}

// installs the release from the registry.
func (s *stranger) installs(ctx context.Context, t *testing.T) {
	t.Helper()
	if in.Knative {
		// Its controller does not find what is on the node's loopback address.
		s.follows(ctx, t, "docs/operations/air-gapped.md", "kubectl -n knative-serving patch configmap config-deployment")
		t.Cleanup(func() {
			_, err := s.Types(context.Background(), `kubectl -n knative-serving patch configmap config-deployment --type merge \
				-p '{"data":{"registries-skipping-tag-resolving":null}}'`)
			assert.NoError(t, err)
		})
	}
	_, err := s.Types(ctx, "cd out/release/v"+harness.ReleaseVersion+" && sha256sum --quiet --check checksums.txt")
	require.NoError(t, err)
	s.follows(ctx, t, "docs/releases.md", "helm install vdi oci://", append(s.values, "--plain-http", "--wait")...)
	t.Log(s.follows(ctx, t, "docs/install.md", "helm test vdi "))
	require.NoError(t, eventually.Wait(ctx, "nothing to be wrong with the installation", func() error {
		_, err := s.Follows(ctx, "docs/install.md", "kubectl vdi status")
		return err
	}))
}

// opensInABrowser opens a desktop of the chart's own template.
func (s *stranger) opensInABrowser(ctx context.Context, t *testing.T) {
	t.Helper()
	key := session(ctx, t, "stranger", "selkies", nil)
	link, err := s.Types(ctx, "kubectl vdi link "+key.Name+" --namespace "+key.Namespace)
	require.NoError(t, err)
	s.traefik.letsIn(ctx, t, s.at, strings.TrimSpace(link))
	browser, err := harness.OpenBrowser(ctx, chromedp.IgnoreCertErrors,
		chromedp.Flag("host-resolver-rules", "MAP *."+strangersDomain+" "+net.JoinHostPort(s.traefik.ip, strconv.Itoa(s.traefik.entryPoints[websecure]))))
	require.NoError(t, err)
	defer browser.Close()
	p := &person{browser, t, ctx, key}
	p.opens(strings.TrimSpace(link))
	p.sees(harness.DesktopShown + " && " + harness.FirstFrameShown)
	p.sees(`isSecureContext && location.hostname === "` + key.Name + "--" + key.Namespace + "." + strangersDomain + `" && !location.search`)
}

// visits is a visitor who has come in through Traefik.
func (s *stranger) visits(ctx context.Context, t *testing.T, key types.NamespacedName) *harness.Visitor {
	t.Helper()
	link, err := s.at.Link(ctx, key, linkTTL)
	require.NoError(t, err)
	return s.traefik.letsIn(ctx, t, s.at, link)
}

// uses a desktop for longer than a step.
func (s *stranger) uses(ctx, whole context.Context, t *testing.T, key types.NamespacedName) liveDesktop {
	t.Helper()
	return use(ctx, whole, t, s.visits(ctx, t, key), key)
}

// applies what Helm renders over what it has installed, twice, as tools do that only render.
func (s *stranger) applies(ctx context.Context, t *testing.T) {
	t.Helper()
	command, err := s.Reads("docs/gitops.md", "helm template vdi ")
	require.NoError(t, err)
	const flag = "--skip-tests"
	require.Contains(t, command, flag)
	global := "--set global.imageRegistry=" + s.Registry + "/vdi"
	command = strings.Replace(command, flag, strings.Join(append([]string{flag, global}, s.values...), " "), 1)
	_, err = s.Types(ctx, command)
	require.NoError(t, err)
	again, err := s.Types(ctx, command)
	require.NoError(t, err)
	for line := range strings.Lines(again) {
		// kubectl always sends a PodDisruptionBudget's selector, which it may only replace as a whole.
		if !strings.HasPrefix(line, "poddisruptionbudget.policy/") {
			assert.Contains(t, line, " unchanged", "applied for the second time")
		}
	}
	jobs := &batchv1.JobList{}
	require.NoError(t, in.Client.List(ctx, jobs, client.InNamespace(in.SystemNamespace)))
	assert.Empty(t, jobs.Items, "a Job was applied")
}

// upgrades to the second build.
func (s *stranger) upgrades(ctx context.Context, t *testing.T) {
	t.Helper()
	s.follows(ctx, t, "docs/operations/upgrades.md", "helm upgrade vdi ", "--set image.tag="+secondBuild+",operator.image.tag="+secondBuild)
	s.rolledOut(ctx, t, secondBuild)
}

// rollsBack to the first build.
func (s *stranger) rollsBack(ctx context.Context, t *testing.T) {
	t.Helper()
	s.follows(ctx, t, "docs/operations/upgrades.md", "helm rollback vdi ")
	s.rolledOut(ctx, t, harness.ReleaseVersion)
}

// rolledOut waits until all programs are of a tag.
func (s *stranger) rolledOut(ctx context.Context, t *testing.T, tag string) {
	t.Helper()
	s.follows(ctx, t, "docs/operations/upgrades.md", "kubectl -n vdi-system rollout status")
	var programs appsv1.DeploymentList
	require.NoError(t, in.Client.List(ctx, &programs, client.InNamespace(in.SystemNamespace)))
	require.NotEmpty(t, programs.Items)
	for i := range programs.Items {
		image := programs.Items[i].Spec.Template.Spec.Containers[0].Image
		assert.True(t, strings.HasPrefix(image, s.Registry+"/") && strings.HasSuffix(image, ":"+tag), "%s runs %s", programs.Items[i].Name, image)
	}
}
