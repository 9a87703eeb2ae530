package chart

import (
	"strings"
	"testing"
)

// annotation is the key of one of the Ingress.
func annotation(name string) string {
	return "Ingress/vdi-activator .metadata.annotations." + strings.ReplaceAll(name, ".", `\.`)
}

func TestAnIngressServesWhatTheURLsSay(t *testing.T) {
	checkFields(t, map[string]fieldCase{
		"every session's host": {
			[]string{"ingress.enabled=true", "ingress.domain=vdi.example.com", "ingress.className=public", "ingress.labels.team=desktops"},
			map[string]string{
				"Ingress/vdi-activator .spec.rules[0].host":    "*.vdi.example.com",
				"Ingress/vdi-activator .spec.ingressClassName": "public",
				"Ingress/vdi-activator .metadata.labels.team":  "desktops",
				"Ingress/vdi-activator .spec.tls":              "",
				"Ingress/vdi-activator .metadata.annotations":  "",
			}},
		"one host, by path": {
			[]string{"ingress.enabled=true", "ingress.domain=vdi.example.com", "ingress.tls.secretName=one", "url.routing=path"},
			map[string]string{
				"Ingress/vdi-activator .spec.rules[0].host": "vdi.example.com",
				"Ingress/vdi-activator .spec.tls":           `[{"hosts":["vdi.example.com"],"secretName":"one"}]`,
			}},
		"a certificate that cert-manager makes for the user's own annotation": {
			[]string{"ingress.enabled=true", "ingress.tls.secretName=wild", `ingress.annotations.cert-manager\.io/issuer=le`},
			map[string]string{
				annotation("cert-manager.io/issuer"):            "le",
				"Ingress/vdi-activator .spec.tls[0].secretName": "wild",
			}},
		"a name in Punycode": {
			[]string{"ingress.enabled=true", "ingress.domain=xn--mller-kva.example"},
			map[string]string{"Ingress/vdi-activator .spec.rules[0].host": "*.xn--mller-kva.example"}},
		"a certificate that cert-manager makes for the annotation": {
			[]string{"ingress.enabled=true", "ingress.tls.certManager.issuer.name=le", "ingress.tls.certManager.issuer.kind=Issuer",
				"ingress.tls.certManager.certificate=false"},
			map[string]string{
				annotation("cert-manager.io/issuer"):            "le",
				"Ingress/vdi-activator .spec.tls[0].secretName": "vdi-activator-tls",
				"Certificate/vdi-activator .kind":               "",
			}},
	})
}

func TestEachIngressControllerLeavesConnectionsOpen(t *testing.T) {
	checkFields(t, map[string]fieldCase{
		"nginx, whose annotations yours win over": {
			[]string{"ingress.enabled=true", "ingress.className=nginx-internal",
				`ingress.annotations.nginx\.ingress\.kubernetes\.io/proxy-read-timeout=7200s`},
			map[string]string{
				annotation("nginx.ingress.kubernetes.io/proxy-read-timeout"): "7200s",
				annotation("nginx.ingress.kubernetes.io/proxy-send-timeout"): "3600",
				annotation("nginx.ingress.kubernetes.io/proxy-buffering"):    "off",
			}},
		"HAProxy": {
			[]string{"ingress.enabled=true", "ingress.controller=haproxy"},
			map[string]string{annotation("haproxy-ingress.github.io/timeout-tunnel"): "24h"}},
		"Contour": {
			[]string{"ingress.enabled=true", "ingress.className=contour"},
			map[string]string{annotation("projectcontour.io/websocket-routes"): "/"}},
		"Traefik, behind a load balancer that its class is named after": {
			[]string{"ingress.enabled=true", "ingress.className=traefik-alb", "ingress.tls.defaultCertificate=true"},
			map[string]string{annotation("traefik.ingress.kubernetes.io/router.tls"): "true", annotation("alb.ingress.kubernetes.io/target-type"): ""}},
		"no ALB, but a class with these letters": {
			[]string{"ingress.enabled=true", "ingress.className=albert"},
			map[string]string{annotation("alb.ingress.kubernetes.io/target-type"): ""}},
		"an ALB by part of its class's name": {
			[]string{"ingress.enabled=true", "ingress.className=internal-alb"},
			map[string]string{annotation("alb.ingress.kubernetes.io/target-type"): "ip"}},
		"an ALB, which drains as long as an activator": {
			[]string{"ingress.enabled=true", "ingress.className=alb", "ingress.tls.atLoadBalancer=true",
				"activator.terminationGracePeriodSeconds=900"},
			map[string]string{
				annotation("alb.ingress.kubernetes.io/target-group-attributes"): "deregistration_delay.timeout_seconds=900",
				"Ingress/vdi-activator .spec.tls":                               "",
			}},
		"GKE, with a policy and a health check": {
			[]string{"ingress.enabled=true", "ingress.className=gce"},
			map[string]string{
				"BackendConfig/vdi-activator .spec.timeoutSec":       "86400",
				"BackendConfig/vdi-activator .spec.healthCheck.port": "9090",
				"Ingress/vdi-activator .spec.ingressClassName":       "",
				annotation("kubernetes.io/ingress.class"):            "gce",
			}},
		"Traefik, with its entry points and middlewares": {
			[]string{"ingress.enabled=true", "ingress.className=traefik", "ingress.tls.defaultCertificate=true", "ingress.traefik.entryPoints={a,b}",
				"ingress.traefik.middlewares[0].name=x", "ingress.traefik.middlewares[1].name=y", "ingress.traefik.middlewares[1].namespace=z"},
			map[string]string{
				annotation("traefik.ingress.kubernetes.io/router.entrypoints"): "a,b",
				annotation("traefik.ingress.kubernetes.io/router.middlewares"): "vdi-system-x@kubernetescrd,z-y@kubernetescrd",
				annotation("traefik.ingress.kubernetes.io/router.tls"):         "true",
			}},
	})
}

func TestConnectionsOutliveWhatEachControllerKeepsOfThem(t *testing.T) {
	args := "Deployment/vdi-activator .spec.template.spec.containers[0]"
	gets := func(delay, keepAlive string, set ...string) fieldCase {
		return fieldCase{set, map[string]string{
			args + ".args[8]": "--shutdown-delay=" + delay, args + ".args[9]": "--keep-alive=" + keepAlive,
		}}
	}
	checkFields(t, map[string]fieldCase{
		"none":                         gets("15s", "180s"),
		"nginx":                        gets("15s", "180s", "ingress.className=nginx"),
		"Google's":                     gets("60s", "620s", "ingress.className=gke-l7-global-external-managed"),
		"an ALB":                       gets("60s", "3700s", "ingress.controller=alb"),
		"Contour":                      gets("15s", "3700s", "ingress.className=contour"),
		"Istio's":                      gets("15s", "3700s", "ingress.className=istio"),
		"an end of two seconds":        gets("0s", "180s", "activator.terminationGracePeriodSeconds=2"),
		"a Gateway":                    gets("15s", "3700s", "ingress.type=HTTPRoute"),
		"Traefik's Gateway":            gets("15s", "180s", "ingress.type=HTTPRoute", "ingress.controller=traefik"),
		"an ALB, and a short end":      gets("20s", "3700s", "ingress.controller=alb", "activator.terminationGracePeriodSeconds=60"),
		"what the values say":          gets("0s", "75s", "activator.keepAliveSeconds=75", "activator.shutdownDelaySeconds=0"),
		"an end without time for them": gets("0s", "180s", "activator.terminationGracePeriodSeconds=0"),
	})
}

func TestTraefiksOwnObject(t *testing.T) {
	checkFields(t, map[string]fieldCase{
		"with a certificate": {
			[]string{"ingress.enabled=true", "ingress.type=IngressRoute", "ingress.domain=vdi.example.com", "ingress.tls.secretName=wild"},
			map[string]string{
				"IngressRoute/vdi-activator .spec.entryPoints":     `["websecure"]`,
				"IngressRoute/vdi-activator .spec.routes[0].match": `HostRegexp(` + "`" + `^[a-z0-9-]+\.vdi\.example\.com$` + "`)",
				"IngressRoute/vdi-activator .spec.tls.secretName":  "wild",
			}},
		"behind something that ends TLS": {
			[]string{"ingress.enabled=true", "ingress.type=IngressRoute", "ingress.tls.atLoadBalancer=true", "url.routing=path"},
			map[string]string{
				"IngressRoute/vdi-activator .spec.entryPoints":     `["web"]`,
				"IngressRoute/vdi-activator .spec.routes[0].match": "Host(`localhost`)",
				"IngressRoute/vdi-activator .spec.tls":             "",
			}},
	})
}

func TestAGatewaysRoute(t *testing.T) {
	checkFields(t, map[string]fieldCase{
		"somebody else's Gateway, without timeouts": {
			[]string{"ingress.enabled=true", "ingress.type=HTTPRoute", "ingress.gateway.parentRefs[0].name=public",
				"ingress.gateway.parentRefs[0].namespace=gateways"},
			map[string]string{
				"Gateway/vdi-activator .kind":                     "",
				"HTTPRoute/vdi-activator .spec.parentRefs":        `[{"name":"public","namespace":"gateways"}]`,
				"HTTPRoute/vdi-activator .spec.rules[0].timeouts": `{"backendRequest":"0s","request":"0s"}`,
			}},
		"the chart's Gateway, with a certificate by cert-manager": {
			[]string{"ingress.enabled=true", "ingress.type=HTTPRoute", "ingress.className=traefik", "ingress.gateway.create=true",
				"ingress.gateway.port=8443",
				"ingress.tls.certManager.issuer.name=le", "ingress.domain=vdi.example.com"},
			map[string]string{
				"Gateway/vdi-activator .spec.listeners[0].tls.certificateRefs": `[{"name":"vdi-activator-tls"}]`,
				"Gateway/vdi-activator .spec.listeners[0].port":                "8443",
				"Certificate/vdi-activator .spec.dnsNames":                     `["*.vdi.example.com"]`,
				"Certificate/vdi-activator .spec.issuerRef":                    `{"group":"cert-manager.io","kind":"ClusterIssuer","name":"le"}`,
			}},
	})
}
