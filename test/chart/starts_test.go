package chart

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	helmchart "helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"

	"github.com/org/vdi-operator/pkg/config"
	turnserver "github.com/org/vdi-operator/pkg/coturn"
	"github.com/org/vdi-operator/test/helm"
)

// togetherAtMost is how many values are set at once: of many, some two would contradict
// each other in most of the draws.
const togetherAtMost = 4

// configured are the values that reach the programs' configuration, by their beginning.
var configured = []string{"activator.passed.", "activator.trustedProxies", "audit.", "auth.", "coturn.allowedPeers", "coturn.deniedPeers",
	"coturn.external", "coturn.port", "coturn.quota.", "coturn.realm", "coturn.relay.", "coturn.tls.", "fullnameOverride", "ingress.domain",
	"knative.", "limits.", "nameOverride", "portal.host", "portal.maxSessionsPerUser", "portal.sessionsNamespace", "portal.signInsPerAddress.",
	"prePull.enabled", "prePull.gpuNodeLabels", "prePull.maxUnavailable", "sessions.", "tracing.", "turn.credentialTTL", "turn.icePolicy",
	"turn.urls", "url.", "watchNamespaces"}

// signIn are values with which the portal runs.
func signIn() map[string]any {
	oidc := map[string]any{"issuer": "https://login.example.com", "clientID": "vdi"}
	return map[string]any{"auth": map[string]any{"oidc": oidc}}
}

// drawn is as much of JSON Schema as the chart's values use where a program reads them.
type drawn struct {
	Type             any
	Enum             []any
	Pattern          string
	MinLength        int
	MaxLength        int
	Minimum          *float64
	ExclusiveMinimum *float64
	Maximum          *float64
	Not              *drawn
	AnyOf            []drawn
	OneOf            []drawn
	Items            *drawn
	Properties       map[string]drawn
	Required         []string
}

// Whatever Helm renders, the programs take: a value that they would refuse is refused by
// Helm, before anything has changed.
func TestWhateverRendersStarts(t *testing.T) {
	leaves := map[string]drawn{}
	for key, chart := range charts {
		raw, err := os.ReadFile(filepath.Join("..", "..", chart, "values.schema.json"))
		require.NoError(t, err)
		var whole drawn
		require.NoError(t, json.Unmarshal(raw, &whole))
		collectLeaves(whole, key, leaves)
	}
	names := slices.Sorted(maps.Keys(leaves))
	require.Greater(t, len(names), 40, "values that reach a configuration")
	vdi := inProcess(t)
	drawn, rendered, portals := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		values := map[string]any{}
		if rapid.Bool().Draw(t, "people sign in") {
			values = signIn()
		}
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, togetherAtMost, rapid.ID).Draw(t, "values") {
			set(values, strings.Split(name, "."), leaves[name].generator().Draw(t, name))
		}
		drawn++
		files, err := vdi(values)
		if err != nil {
			return // Helm refuses it
		}
		rendered++
		for name, raw := range configurations(files) {
			if strings.Contains(name, "portal") {
				portals++
			}
			assert.NoError(t, parse(name, raw), "%s of these values, which Helm renders: %v", name, values)
		}
	})
	require.Greater(t, portals, drawn/10, "of %d draws these have a portal", drawn)
	require.Greater(t, rendered, drawn/4, "of %d draws these render", drawn)
}

// A program that refuses what the chart took is a crash loop.
func TestAProgramStartsWithEveryDurationThatTheChartTakes(t *testing.T) {
	vdi := inProcess(t)
	for _, key := range durations(t) {
		taken := 0
		for _, value := range []string{"0s", "1ms", "9.999s", "10s", "59.9s", "719h59m60s", "720h1s", "8760h", "8760h1s", "9999999h"} {
			values := signIn()
			set(values, strings.Split(key, "."), value)
			files, err := vdi(values)
			if err != nil {
				assert.Contains(t, err.Error(), value, "%s=%s: the refusal names no value: %s", key, value, err)
				continue
			}
			taken++
			all := configurations(files)
			require.Contains(t, all, "vdi-operator/templates/portal/configmap.yaml")
			for name, raw := range all {
				require.NoError(t, parse(name, raw), "%s=%s: the chart takes it, %s does not", key, value, name)
			}
		}
		assert.Positive(t, taken, "%s: the chart takes nothing", key)
	}
}

// durations are the chart's values for the programs that are one.
func durations(t *testing.T) []string {
	t.Helper()
	vdi, err := loader.Load(filepath.Join("..", "..", helm.Chart))
	require.NoError(t, err)
	keys := []string{"turn.credentialTTL"}
	oidc := vdi.Values["auth"].(map[string]any)["oidc"]
	for section, of := range map[string]any{"sessions": vdi.Values["sessions"], "limits": vdi.Values["limits"], "auth.oidc": oidc} {
		for name, value := range of.(map[string]any) {
			text, is := value.(string)
			if _, err := time.ParseDuration(text); is && err == nil {
				keys = append(keys, section+"."+name)
			}
		}
	}
	require.Greater(t, len(keys), 12, "%v", keys)
	return keys
}

// parse is what the program does whose configuration a template's file has.
func parse(name string, raw []byte) (err error) {
	if strings.Contains(name, "coturn") {
		_, err = turnserver.ParseConfig(raw)
		return err
	}
	_, err = config.Parse(raw)
	return err
}

// inProcess renders the chart's templates, its notes too, as Helm does for an installation, without
// starting it each time.
func inProcess(t *testing.T) func(values map[string]any) (files map[string]string, err error) {
	vdi, err := loader.Load(filepath.Join("..", "..", helm.Chart))
	require.NoError(t, err)
	require.NoError(t, chartutil.ProcessDependencies(vdi, map[string]any{}))
	version, err := chartutil.ParseKubeVersion(helm.KubeVersion)
	require.NoError(t, err)
	capabilities := chartutil.DefaultCapabilities.Copy()
	capabilities.KubeVersion = *version
	as := chartutil.ReleaseOptions{Name: release.Name, Namespace: release.Namespace, IsInstall: true}
	schemas := compiled{}
	schemas.add(t, vdi)
	return func(values map[string]any) (map[string]string, error) {
		all, err := chartutil.ToRenderValuesWithSchemaValidation(vdi, values, as, capabilities, true)
		if err != nil {
			return nil, err
		}
		// Helm compiles the schemas each time. It is asked where it has something to say.
		if !schemas.take(vdi, all["Values"].(chartutil.Values)) {
			if all, err = chartutil.ToRenderValues(vdi, values, as, capabilities); err != nil {
				return nil, err
			}
		}
		return engine.Render(vdi, all)
	}
}

// compiled are the schemas of a chart and of those in it.
type compiled map[*helmchart.Chart]*jsonschema.Schema

func (c compiled) add(t *testing.T, chart *helmchart.Chart) {
	t.Helper()
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(chart.Schema))
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	require.NoError(t, compiler.AddResource("file:///values.schema.json", schema))
	c[chart], err = compiler.Compile("file:///values.schema.json")
	require.NoError(t, err)
	for _, below := range chart.Dependencies() {
		c.add(t, below)
	}
}

// take says that the chart's schema and those of the charts in it have nothing against values.
func (c compiled) take(chart *helmchart.Chart, values map[string]any) bool {
	if c[chart].Validate(values) != nil {
		return false
	}
	return !slices.ContainsFunc(chart.Dependencies(), func(below *helmchart.Chart) bool {
		its, are := values[below.Name()].(map[string]any)
		return !are || !c.take(below, its)
	})
}

// configurations are the programs', by the names of the files that they were rendered from.
func configurations(files map[string]string) map[string][]byte {
	const key = "config.yaml"
	all := map[string][]byte{}
	for name, text := range files {
		for _, document := range helm.Documents(text) {
			if !strings.Contains(document, key) {
				continue
			}
			objects, _ := helm.Objects(document) // notes are none
			for _, o := range objects {
				if raw, is, _ := unstructured.NestedString(o.Object, "data", key); is {
					all[name] = []byte(raw)
				}
			}
		}
	}
	return all
}

// collectLeaves keeps the schema of each value that reaches a configuration.
func collectLeaves(s drawn, path string, into map[string]drawn) {
	for name, p := range s.Properties {
		collectLeaves(p, strings.TrimPrefix(path+"."+name, "."), into)
	}
	wanted := func(beginning string) bool { return strings.HasPrefix(path, beginning) }
	if len(s.Properties) == 0 && slices.ContainsFunc(configured, wanted) {
		into[path] = s
	}
}

func set(values map[string]any, path []string, value any) {
	for _, name := range path[:len(path)-1] {
		if values[name] == nil {
			values[name] = map[string]any{}
		}
		values = values[name].(map[string]any)
	}
	values[path[len(path)-1]] = value
}

// generator draws what the schema allows, its limits more often than not.
func (s drawn) generator() *rapid.Generator[any] {
	switch {
	case len(s.Enum) > 0:
		return rapid.SampledFrom(s.Enum)
	case len(s.AnyOf) > 0:
		return rapid.OneOf(s.AnyOf[0].generator(), s.AnyOf[len(s.AnyOf)-1].generator())
	case len(s.OneOf) > 0:
		return rapid.OneOf(s.OneOf[0].generator(), s.OneOf[len(s.OneOf)-1].generator())
	}
	kind, _ := s.Type.(string)
	if kinds, are := s.Type.([]any); are {
		kind = kinds[0].(string)
	}
	switch kind {
	case "boolean":
		return rapid.Bool().AsAny()
	case "integer":
		least, most := int(*s.Minimum), int(*s.Maximum)
		return rapid.OneOf(rapid.SampledFrom([]int{least, most}), rapid.IntRange(least, most)).AsAny()
	case "number":
		least := 1e-6
		if s.Minimum != nil {
			least = *s.Minimum
		}
		return rapid.OneOf(rapid.SampledFrom([]float64{least, *s.Maximum}), rapid.Float64Range(least, *s.Maximum)).AsAny()
	case "object":
		return rapid.Custom(func(t *rapid.T) any {
			all := map[string]any{}
			for _, name := range s.Required {
				all[name] = s.Properties[name].generator().Draw(t, name)
			}
			return all
		})
	case "array":
		return rapid.SliceOfN(s.Items.generator(), 0, 2).AsAny()
	}
	return s.text().AsAny()
}

func (s drawn) text() *rapid.Generator[string] {
	all := rapid.StringMatching(`[a-zA-Z0-9.:*_ -]{0,40}`)
	if s.Pattern != "" {
		all = rapid.StringMatching(s.Pattern)
	}
	return all.Filter(func(text string) bool {
		forbidden := s.Not != nil && regexp.MustCompile(s.Not.Pattern).MatchString(text)
		return !forbidden && len(text) >= s.MinLength && (s.MaxLength == 0 || len(text) <= s.MaxLength)
	})
}
