package chart

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/test/helm"
)

// everybodysLabels are labels that organisations put on all of their objects: some of them the
// chart sets itself.
var everybodysLabels = []string{"--set-json", `commonLabels={"app.kubernetes.io/name": "x", "app.kubernetes.io/instance": "y", "team": "z"}`}

// An API server that validates strictly, kustomize and Flux refuse a key that is there twice.
func TestNoKeyIsThereTwice(t *testing.T) {
	for _, set := range valueSets(t) {
		t.Run(set, func(t *testing.T) {
			t.Parallel()
			text, err := template(t, append([]string{"--values", asHelm(t), "--values", values(t, set)}, everybodysLabels...)...)
			require.NoError(t, err)
			for _, d := range helm.Documents(text) {
				var o map[string]any
				assert.NoError(t, yaml.UnmarshalStrict([]byte(d), &o), "%s", d)
			}
		})
	}
}

// Objects are found by the chart's own labels, so those stay; every other label is on every object,
// coturn's included.
func TestCommonLabelsAreOnEveryObjectBesidesTheChartsOwn(t *testing.T) {
	for _, set := range valueSets(t) {
		t.Run(set, func(t *testing.T) {
			t.Parallel()
			flags := append([]string{"--values", asHelm(t), "--values", values(t, set)}, everybodysLabels...)
			for _, o := range objects(t)(template(t, flags...)) {
				labels := o.GetLabels()
				if labels["app.kubernetes.io/managed-by"] == "" {
					continue // one of extraObjects
				}
				assert.Equal(t, "z", labels["team"], "%s %s", o.GetKind(), o.GetName())
				assert.Contains(t, []string{"vdi-operator", "coturn"}, labels["app.kubernetes.io/name"], "%s %s", o.GetKind(), o.GetName())
				assert.Equal(t, "vdi", labels["app.kubernetes.io/instance"], "%s %s", o.GetKind(), o.GetName())
			}
		})
	}
}

// What a value says twice is there once, and the value that says more of the object wins.
func TestTheNearestOfSeveralLabelsWins(t *testing.T) {
	checkFields(t, map[string]fieldCase{
		"of the ingress": {[]string{"ingress.enabled=true", "ingress.domain=vdi.example.com", "commonLabels.team=a", "ingress.labels.team=b"},
			map[string]string{"Ingress/vdi-activator .metadata.labels.team": "b"}},
		"of coturn's Service": {[]string{"coturn.hostNetwork=false", "turn.urls={turn:turn.example.com}", "commonLabels.team=a",
			"coturn.commonLabels.team=b", "coturn.service.labels.team=c"}, map[string]string{"Service/vdi-coturn .metadata.labels.team": "c",
			"Deployment/vdi-coturn .metadata.labels.team": "b", "Deployment/vdi-operator .metadata.labels.team": "a"}},
		"an annotation for Prometheus": {[]string{"prometheusAnnotations.enabled=true", `activator.podAnnotations=@json:{"prometheus.io/port":"1"}`},
			map[string]string{`Deployment/vdi-activator .spec.template.metadata.annotations.prometheus\.io/port`: "1",
				`Deployment/vdi-operator .spec.template.metadata.annotations.prometheus\.io/port`: "8080"}},
	})
}

func TestNamesOfTheReleaseReachCoturn(t *testing.T) {
	checkFields(t, map[string]fieldCase{
		"another name": {[]string{"fullnameOverride=desk"}, map[string]string{"Deployment/desk-coturn .kind": "Deployment"}},
		"a name more":  {[]string{"nameOverride=desk"}, map[string]string{"Deployment/vdi-desk-coturn .kind": "Deployment"}},
		"coturn's own": {[]string{"fullnameOverride=desk", "coturn.fullnameOverride=turn"}, map[string]string{"Deployment/turn .kind": "Deployment"}},
	})
}
