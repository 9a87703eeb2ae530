package chart

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/org/vdi-operator/test/helm"
)

// Every value that must be refused, and what the sentence must say: the key, the value
// and what to do.
func TestBadValuesAreRefusedWithKeyValueAndRemedy(t *testing.T) {
	namespaced := []string{"rbac.clusterScoped=false", "watchNamespaces={vdi-system}", "crds.enabled=false",
		"selkies.enabled=false", "knative.applyConfig=false"}
	without := func(set string, more ...string) []string {
		var rest []string
		for _, s := range namespaced {
			if s != set {
				rest = append(rest, s)
			}
		}
		return append(rest, more...)
	}
	people := func(more ...string) []string {
		return append([]string{"auth.oidc.issuer=https://login.example.com", "auth.oidc.clientID=vdi"}, more...)
	}
	for name, c := range map[string]struct {
		set  []string
		says []string
	}{
		"no way in": {[]string{"auth.links.enabled=false"}, []string{"auth.links.enabled is false", "auth.oidc.issuer and auth.forwarded.userHeader are empty",
			"Set one of them"}},
		"a provider without a client": {[]string{"auth.oidc.issuer=https://login.example.com", "url.scheme=https", "ingress.domain=vdi.example.com"},
			[]string{`auth.oidc.issuer is "https://login.example.com"`, "auth.oidc.clientID is empty", "https://portal.vdi.example.com/callback"}},
		"a client without a provider": {[]string{"auth.oidc.clientID=vdi"}, []string{`auth.oidc.clientID is "vdi"`, "auth.oidc.issuer is empty", "https://"}},
		"a provider that is no URL":   {people("auth.oidc.issuer=login.example.com"), []string{"/auth/oidc/issuer", "login.example.com"}},
		"a provider's query":          {people("auth.oidc.issuer=https://login.example.com?a=b"), []string{"/auth/oidc/issuer"}},
		"a provider by http": {people("auth.oidc.issuer=http://login.example.com"),
			[]string{`auth.oidc.issuer has "http://login.example.com"`, "Give it with https://"}},
		"a name that looks private": {people("auth.oidc.issuer=http://10.0.0.1.example.com"), []string{`"http://10.0.0.1.example.com"`, "https://"}},
		"programs' provider by http": {[]string{"auth.issuers[0].url=http://login.example.com", "auth.issuers[0].audience=vdi", "auth.issuers[0].claims.user=sub"},
			[]string{"auth.issuers", `"http://login.example.com"`, "https://"}},
		"programs' provider for everybody": {[]string{"auth.issuers[0].url=https://login.example.com", "auth.issuers[0].claims.user=sub"},
			[]string{"/auth/issuers/0", "'audience'"}},
		"a day as Go does not know it":   {[]string{"sessions.idleTimeout=1d"}, []string{`sessions.idleTimeout is "1d"`, "24h"}},
		"a limit in words":               {[]string{"limits.holdTime=30 min"}, []string{`limits.holdTime is "30 min"`, "90s"}},
		"days of what is not used":       {[]string{"auth.oidc.leeway=1d"}, []string{`auth.oidc.leeway is "1d"`, "24h"}},
		"a key's age in days":            {[]string{"auth.keys.rotateEvery=30d"}, []string{`auth.keys.rotateEvery is "30d"`, "24h"}},
		"a provider asked every moment":  {people("auth.oidc.recheckEvery=1s"), []string{"auth.oidc.recheckEvery is 1s", "between 10s and 1h"}},
		"a sign-in for ever":             {people("auth.oidc.signInFor=8760h"), []string{"auth.oidc.signInFor is 8760h", "between 1m and 720h"}},
		"a provider that is away a week": {people("auth.oidc.keepWhileAway=168h"), []string{"auth.oidc.keepWhileAway is 168h", "between 0s and 24h"}},
		"a sign-in nobody confirms":      {people("auth.oidc.unconfirmedFor=1m"), []string{"auth.oidc.unconfirmedFor is 1m", "between 10m and 720h"}},
		"keys replaced every hour":       {[]string{"auth.keys.rotateEvery=1h"}, []string{"auth.keys.rotateEvery is 1h", "between 168h and 8760h", "or to 0s"}},
		"programs' groups": {[]string{"auth.issuers[0].url=https://login.example.com", "auth.issuers[0].audience=vdi", "auth.issuers[0].claims.user=sub",
			"auth.issuers[0].claims.groups=groups"}, []string{"/auth/issuers/0/claims", "groups"}},
		"clocks an hour apart":  {people("auth.oidc.leeway=1h"), []string{"auth.oidc.leeway is 1h", "between 0s and 5m"}},
		"two scopes in one":     {people("auth.oidc.scopes={a b}"), []string{"/auth/oidc/scopes/0", "a b"}},
		"people without a name": {people("auth.oidc.claims.user="), []string{"/auth/oidc/claims/user"}},
		"one namespace's rights and a portal": {without("", people()...),
			[]string{"rbac.clusterScoped is false", "auth.oidc.issuer", "Leave auth.oidc.issuer empty"}},
		"a proxy that is everybody, unsaid": {[]string{"auth.forwarded.userHeader=X-User"},
			[]string{`auth.forwarded.userHeader is "X-User"`, "auth.forwarded.from is empty", "Name the networks"}},
		"a proxy that is everybody": {[]string{"auth.forwarded.userHeader=X-User", "auth.forwarded.from={0.0.0.0/0}"},
			[]string{`auth.forwarded.from has "0.0.0.0/0"`, "the proxy alone"}},
		"a signing-in proxy that is no network": {[]string{"auth.forwarded.userHeader=X-User", "auth.forwarded.from={10.0.0.256/8}"},
			[]string{"auth.forwarded.from", `"10.0.0.256/8"`, "a network, such as 10.1.2.0/24"}},
		"a field that browsers send": {[]string{"auth.forwarded.userHeader=cookie", "auth.forwarded.from={10.1.2.0/24}"},
			[]string{`auth.forwarded.userHeader is "cookie"`, "X-Forwarded-Email"}},
		"groups in a field that proxies send": {[]string{"auth.forwarded.userHeader=X-User", "auth.forwarded.groupsHeader=X-Forwarded-For",
			"auth.forwarded.from={10.1.2.0/24}"}, []string{`auth.forwarded.groupsHeader is "X-Forwarded-For"`, "X-Forwarded-Email"}},
		"desktops where nobody looks": {people("portal.sessionsNamespace=people", "watchNamespaces={team-a}"),
			[]string{`portal.sessionsNamespace is "people"`, `watchNamespaces is ["team-a"]`, "Name one of these"}},
		"a portal with a session's host": {people("portal.host=a--b.example.com"), []string{`"a--b.example.com"`, "Set portal.host"}},
		"a portal at the sessions' host": {people("url.routing=path", "ingress.domain=vdi.example.com", "portal.host=vdi.example.com"),
			[]string{`portal.host is "vdi.example.com"`, "url.routing=path", `"portal.vdi.example.com"`}},
		"a portal below an address": {people("url.routing=path", "ingress.domain=192.0.2.1"), []string{`"portal.192.0.2.1"`, "Set portal.host to a name"}},
		"a portal with a scheme":    {people("portal.host=https://my.example.com"), []string{"portal.host", `"https://my.example.com"`, `such as "my.example.com"`}},
		"a portal in capitals":      {people("portal.host=My_VDI.example.com."), []string{"portal.host", `"My_VDI.example.com."`, `such as "my-vdi.example.com"`}},
		"a portal with a port":      {people("portal.host=my.example.com:8443"), []string{"portal.host", `"my.example.com:8443"`, "url.port"}},
		"a provider's document": {people("auth.oidc.issuer=https://login.example.com/a/.well-known/openid-configuration"),
			[]string{"auth.oidc.issuer", "the address of a document", `"https://login.example.com/a"`}},
		"nobody starts a desktop":       {[]string{"portal.maxSessionsPerUser=0"}, []string{"/portal/maxSessionsPerUser", "1"}},
		"no sign-in at all":             {[]string{"portal.signInsPerAddress.perSecond=0"}, []string{"/portal/signInsPerAddress/perSecond"}},
		"the portal of another version": {people("portal.image.tag=0.1.0"), []string{"0.1.0 of portal", "portal.image.tag", "set image.tag for all"}},
		"a tag in the portal's repository": {[]string{"portal.image.repository=vdi-portal:1"},
			[]string{`portal.image.repository is "vdi-portal:1"`, `such as "vdi-portal"`, "portal.image.digest"}},
		"the portal's service account without a name": {[]string{"portal.serviceAccount.create=false"},
			[]string{"portal.serviceAccount.create", "portal.serviceAccount.name", "set create=true"}},
		"the operator's service account for the portal": {[]string{"operator.serviceAccount.name=vdi", "portal.serviceAccount.name=vdi"},
			[]string{`portal.serviceAccount.name is "vdi"`, "Give the portal its own"}},
		"labels that the portal's pods are found by": {[]string{`portal.podLabels.app\.kubernetes\.io/component=x`},
			[]string{"portal.podLabels", "app.kubernetes.io/component", "another key"}},
		"a spread of the portal over nothing": {[]string{"portal.topologySpreadConstraints[0].maxSkew=1"},
			[]string{"portal.topologySpreadConstraints", "topologyKey"}},
		"a portal's volume that the chart has": {[]string{"portal.extraVolumes[0].name=config"},
			[]string{`portal.extraVolumes has the name "config"`, "the chart's own pods have", "Give each its own"}},
		"a volume twice": {[]string{"operator.extraVolumes[0].name=a", "operator.extraVolumes[1].name=a"},
			[]string{`operator.extraVolumes has the name "a"`, "is there twice"}},
		"a mount of no volume": {[]string{"activator.extraVolumeMounts[0].name=ca", "activator.extraVolumeMounts[0].mountPath=/ca"},
			[]string{`activator.extraVolumeMounts names the volume "ca"`, "Add it to activator.extraVolumes"}},
		"an update of nodes that never ends": {[]string{"doze.enabled=true", "doze.updateStrategy.rollingUpdate.maxUnavailable=0"},
			[]string{"doze.updateStrategy.rollingUpdate.maxUnavailable is 0", "1 or more"}},
		"pulses without end":                      {[]string{"doze.pulseEvery=1s"}, []string{"doze.pulseEvery is 1s", "between 10s and 1h"}},
		"more pressure than there is":             {[]string{"doze.memoryPressure=101"}, []string{"/doze/memoryPressure", "100"}},
		"a node's whole disk":                     {[]string{"doze.cgroupRoot=/"}, []string{"/doze/cgroupRoot"}},
		"a way out of cgroups":                    {[]string{"doze.cgroupRoot=/sys/fs/cgroup/../../etc"}, []string{"/doze/cgroupRoot"}},
		"the program on nodes of another version": {[]string{"doze.enabled=true", "doze.image.tag=0.1.0"}, []string{"0.1.0 of doze", "doze.image.tag", "set image.tag for all"}},
		"the operator's service account for the program on nodes": {[]string{"operator.serviceAccount.name=vdi", "doze.serviceAccount.name=vdi"},
			[]string{`doze.serviceAccount.name is "vdi"`, "Give them their own"}},
		"labels that the programs on nodes are found by": {[]string{`doze.podLabels.app\.kubernetes\.io/component=x`},
			[]string{"doze.podLabels", "app.kubernetes.io/component", "another key"}},
		"the portal's memory that overflows": {[]string{"portal.resources.limits.memory=99999999999Ti"},
			[]string{"portal.resources.limits.memory", "99999999999Ti", "16Ti"}},
		"a portal's budget that blocks drains": {[]string{"portal.podDisruptionBudget.maxUnavailable=0"}, []string{"/portal/podDisruptionBudget/maxUnavailable"}},
		"a key that there is not":              {[]string{"operator.replica=1"}, []string{"operator", "replica", "additional properties"}},
		"a key that there is not, at the top":  {[]string{"operators.replicas=1"}, []string{"operators", "additional properties"}},
		"a wrong type":                         {[]string{"operator.replicas=many"}, []string{"/operator/replicas", "string", "integer"}},
		"a section with nothing in it":         {[]string{"sessions=null"}, []string{"missing property 'sessions'"}},
		"a clock with nothing after it":        {[]string{"sessions.idleTimeout=null"}, []string{"/sessions", "missing property 'idleTimeout'"}},
		"coturn's port with nothing after it":  {[]string{"coturn.port=null"}, []string{"coturn", "missing property 'port'"}},
		"negative replicas of the operator":    {[]string{"operator.replicas=-1"}, []string{"/operator/replicas", "0"}},
		"negative replicas of the activator":   {[]string{"activator.replicas=-1"}, []string{"/activator/replicas", "0"}},
		"one program of another version": {[]string{"operator.image.tag=v0.1.0"}, []string{"0.1.0 of operator", "of activator, agent, coturn",
			"operator.image.tag", "set image.tag for all"}},
		"another version for all but one":   {[]string{"image.tag=0.3.0", "coturn.image.tag=0.2.0"}, []string{"0.2.0 of coturn", "0.3.0 of operator"}},
		"an uninstall that is neither":      {[]string{"uninstall.enabled=never"}, []string{"/uninstall/enabled", "'auto'"}},
		"releases that Helm stores nowhere": {[]string{"uninstall.releaseStorage=secret"}, []string{"/uninstall/releaseStorage", "'Secret'"}},
		"a network without a length":        {[]string{"networkPolicy.clusterNetworks={10.0.0.0}"}, []string{"/networkPolicy/clusterNetworks/0", "10.0.0.0"}},
		"too long a network of IPv6":        {[]string{"activator.trustedProxies={fd00::/129}"}, []string{"activator.trustedProxies", `"fd00::/129"`}},
		"an address of coturn with a group too many": {[]string{"coturn.externalIP=1:2:3:4:5:6:7:8:9"},
			[]string{"coturn.externalIP", `"1:2:3:4:5:6:7:8:9"`, "an IP address"}},
		"a range of peers that ends before it begins": {[]string{"coturn.deniedPeers={10.0.0.9-10.0.0.1}"},
			[]string{"coturn.deniedPeers", `"10.0.0.9-10.0.0.1"`, "the lower address first"}},
		"a range of IPv6 peers": {[]string{"coturn.allowedPeers={fd00::1-fd00::5}"}, []string{"/allowedPeers/0", "fd00::1-fd00::5"}},
		"a domain with a scheme": {[]string{"ingress.domain=https://vdi.example.com"},
			[]string{"ingress.domain", `"https://vdi.example.com"`, `"vdi.example.com"`}},
		"a domain with a wildcard": {[]string{"ingress.domain=*.vdi.example.com"},
			[]string{"ingress.domain", `"*.vdi.example.com"`, `"vdi.example.com"`}},
		"a domain with a port":              {[]string{"ingress.domain=vdi.example.com:8443"}, []string{"ingress.domain", "url.port"}},
		"an address as the domain of hosts": {[]string{"ingress.domain=192.0.2.1"}, []string{"ingress.domain", `"192.0.2.1"`, "a domain that resolves to it"}},
		"an address as an Ingress's host": {[]string{"ingress.domain=192.0.2.1", "url.routing=path", "ingress.enabled=true"},
			[]string{"ingress.domain", `"192.0.2.1"`}},
		"an address of IPv6 as the domain": {[]string{"ingress.domain=2001:db8::1"}, []string{"ingress.domain", `"2001:db8::1"`, "an IP address"}},
		"a domain in Unicode":              {[]string{"ingress.domain=müller.example"}, []string{"ingress.domain", `"müller.example"`, `"xn--"`, "idn2 müller.example"}},
		"a domain that ends with a dot": {[]string{"ingress.domain=vdi.example.com."},
			[]string{"ingress.domain", `"vdi.example.com."`, `such as "vdi.example.com"`}},
		"a domain with an underscore": {[]string{"ingress.domain=my_VDI.example.com"},
			[]string{"ingress.domain", `"my_VDI.example.com"`, `such as "my-vdi.example.com"`}},
		"an issuer's annotation without TLS": {[]string{"ingress.enabled=true", "ingress.domain=vdi.example.com",
			`ingress.annotations.cert-manager\.io/issuer=le`}, []string{"cert-manager.io/issuer: le",
			"Set ingress.tls.certManager.issuer.name=le and ingress.tls.certManager.issuer.kind=Issuer"}},
		"a Gateway's issuer without TLS": {[]string{"ingress.enabled=true", "ingress.domain=vdi.example.com", "ingress.type=HTTPRoute",
			"ingress.gateway.create=true", "ingress.className=x", `ingress.gateway.annotations.cert-manager\.io/cluster-issuer=le`},
			[]string{"cert-manager.io/cluster-issuer: le", "ingress.tls.certManager.issuer.kind=ClusterIssuer"}},
		"a domain whose end is a number": {[]string{"ingress.domain=vdi.7"}, []string{`ingress.domain is "vdi.7"`, "a domain that resolves to it"}},
		"a label of a domain too long": {[]string{"ingress.domain=" + strings.Repeat("a", 64) + ".example.com"},
			[]string{"ingress.domain", "63 characters at most"}},
		"a part of a name that ends in a dash": {[]string{"auth.signingKey.existingSecret=a-.b"},
			[]string{"/auth/signingKey/existingSecret", "a-.b"}},
		"a class in capitals":         {[]string{"ingress.enabled=true", "ingress.className=Traefik"}, []string{"/ingress/className", "Traefik"}},
		"an address without brackets": {[]string{"turn.urls={turn:2001:db8::1:3478}"}, []string{"/turn/urls/0", "turn:2001:db8::1:3478"}},
		"a transport of no browser's": {[]string{"turn.urls={turn:turn.example.com?transport=sctp}"}, []string{"/turn/urls/0", "transport=sctp"}},
		"a peer that is none":         {[]string{"networkPolicy.visitors[0].namespaceSelectors.a=b"}, []string{"/networkPolicy/visitors/0", "namespaceSelectors"}},
		"a peer without a length":     {[]string{"networkPolicy.apiServer.to[0].ipBlock.cidr=10.0.0.1"}, []string{"/networkPolicy/apiServer/to/0/ipBlock/cidr", "10.0.0.1"}},
		"a peer that is no address": {[]string{"networkPolicy.apiServer.to[0].ipBlock.cidr=10.0.0.256/32"},
			[]string{"networkPolicy.apiServer.to", `"10.0.0.256/32"`, "a network"}},
		"a rule of Prometheus' own file": {[]string{"serviceMonitor.relabelings[0].source_labels={a}"}, []string{"/serviceMonitor/relabelings/0", "source_labels"}},
		"a scrape longer than its turn": {[]string{"podMonitor.enabled=true", "podMonitor.interval=10s", "podMonitor.scrapeTimeout=30s"},
			[]string{"podMonitor.scrapeTimeout is 30s", "podMonitor.interval, 10s"}},
		"a key of a label that is none":   {[]string{"commonLabels.a b=c"}, []string{"at '/commonLabels'", "'a b'"}},
		"a kind of affinity there is not": {[]string{"operator.affinity.podAntiAfinity=a"}, []string{"/operator/affinity", "podAntiAfinity"}},
		"a resolver in the singular":      {[]string{"portal.dnsConfig.nameserver=10.0.0.1"}, []string{"/portal/dnsConfig", "nameserver"}},
		"a field that no template has":    {[]string{"selkies.spec.tolerations[0].operator=Exists"}, []string{"/selkies/spec", "tolerations"}},
		"a clock that no template has": {[]string{"templates[0].name=a", "templates[0].spec.image=a", "templates[0].spec.lifecycle.idleTimout=1h"},
			[]string{"/templates/0/spec/lifecycle", "idleTimout"}},
		"a number in a desktop's environment": {[]string{"selkies.env[0].name=X", "selkies.env[0].value=1"}, []string{"/selkies/env/0/value", "string"}},
		"a repository in capitals": {[]string{"operator.image.repository=registry.example.com/VDI/"},
			[]string{`"registry.example.com/VDI/"`, "lower case", `such as "registry.example.com/vdi"`}},
		"a load balancer's class without one": {[]string{"activator.service.loadBalancerClass=metallb"},
			[]string{`activator.service.loadBalancerClass is "metallb"`, "activator.service.type is ClusterIP", "Set activator.service.type=LoadBalancer"}},
		"two families for one stack": {[]string{"coturn.hostNetwork=false", "turn.urls={turn:turn.example.com}", "coturn.service.ipFamilies={IPv4,IPv6}"},
			[]string{`coturn.service.ipFamilies is ["IPv4","IPv6"]`, "Set coturn.service.ipFamilyPolicy=PreferDualStack"}},
		"a source that is no network": {[]string{"activator.service.type=LoadBalancer", "activator.service.loadBalancerSourceRanges={10.0.0.256/8}"},
			[]string{"activator.service.loadBalancerSourceRanges", `"10.0.0.256/8"`, "a network"}},
		"a chart that its umbrella has not switched off": {[]string{"enabled=false"}, []string{"enabled is false", "condition vdi-operator.enabled"}},
		"names that begin with a digit":                  {[]string{"fullnameOverride=1st"}, []string{`fullnameOverride is "1st"`, "begin with a letter", `such as "vdi"`}},
		"coturn's name with a digit first":               {[]string{"coturn.fullnameOverride=1st"}, []string{`coturn.fullnameOverride is "1st"`, "begins with a letter"}},
		"labels that coturn's pods are found by": {[]string{`coturn.podLabels.app\.kubernetes\.io/name=turn`},
			[]string{"coturn.podLabels", "app.kubernetes.io/name", "another key"}},
		"a tag in a repository": {[]string{"operator.image.repository=registry.example.com:5000/vdi:1"}, []string{
			`operator.image.repository is "registry.example.com:5000/vdi:1"`, `such as "registry.example.com:5000/vdi"`, "image.tag"}},
		"a digest in coturn's repository": {[]string{"coturn.image.repository=coturn@sha256:0"}, []string{"coturn.image.repository", `such as "coturn"`}},
		"a value that is gone":            {[]string{"coturn.existingConfigSecret=turn"}, []string{`coturn.existingConfigSecret is "turn"`, "turn.existingSecret"}},
		"a rate of nothing, in words":     {[]string{"limits.upgradesPerUser.perSecond=0.0"}, []string{"/limits/upgradesPerUser/perSecond", "0.0"}},
		"memory in no unit":               {[]string{"operator.resources.limits.memory=1gb"}, []string{"/operator/resources/limits/memory", "1gb"}},
		"a request below nothing":         {[]string{"coturn.resources.requests.cpu=-1"}, []string{"/resources/requests/cpu", "-1"}},
		"a number in an environment": {[]string{"activator.extraEnv[0].name=X", "activator.extraEnv[0].value=1"},
			[]string{"/activator/extraEnv/0/value", "string"}},
		"a label that is none":    {[]string{"commonLabels.team=a b"}, []string{"/commonLabels/team", "a b"}},
		"a toleration's operator": {[]string{"operator.tolerations[0].operator=exists"}, []string{"/operator/tolerations/0/operator", "'Exists'"}},
		"a digest that is none":   {[]string{"operator.image.digest=latest"}, []string{"/operator/image/digest", "sha256"}},
		"a registry with a scheme": {[]string{"global.imageRegistry=https://registry.example.com"},
			[]string{"/global/imageRegistry"}},
		"a budget that blocks drains": {[]string{"activator.podDisruptionBudget.maxUnavailable=0"},
			[]string{"/activator/podDisruptionBudget/maxUnavailable"}},
		"a budget that blocks drains, in words": {[]string{"activator.podDisruptionBudget.maxUnavailable=0%"},
			[]string{"/activator/podDisruptionBudget/maxUnavailable"}},
		"a namespace that is none":              {[]string{"watchNamespaces={Team_A}"}, []string{"/watchNamespaces/0"}},
		"a namespace twice":                     {[]string{"watchNamespaces={a,a}"}, []string{"/watchNamespaces", "equal"}},
		"a clock without a unit":                {[]string{"sessions.idleTimeout=30"}, []string{"/sessions/idleTimeout"}},
		"a clock too short to keep":             {[]string{"sessions.idleTimeout=5s"}, []string{"sessions.idleTimeout is 5s", "between 10s and 8760h", "or to 0s, which switches the clock off"}},
		"a doze without a program that freezes": {[]string{"sessions.dozeAfter=2m"}, []string{"sessions.dozeAfter is 2m", "doze.enabled is false", "doze.enabled=true"}},
		"a clock of centuries":                  {[]string{"sessions.startupTimeout=9999999h"}, []string{"sessions.startupTimeout is 9999999h", "8760h"}},
		"a workload kept for ever":              {[]string{"sessions.keepWorkloadFor=9000h"}, []string{"sessions.keepWorkloadFor is 9000h", "8760h"}},
		"a credential of centuries":             {[]string{"turn.credentialTTL=9999999h"}, []string{"turn.credentialTTL is 9999999h", "720h"}},
		"a hold of centuries":                   {[]string{"limits.holdTime=8760h1s"}, []string{"limits.holdTime is 8760h1s", "8760h"}},
		"a silence that pings cannot see":       {[]string{"limits.relayIdleTimeout=59s"}, []string{"limits.relayIdleTimeout is 59s", "between 1m", "0s"}},
		"a stand-in of no time":                 {[]string{"limits.standInTime=1ms"}, []string{"limits.standInTime is 1ms", "between 1s", "1h", "0s"}},
		"a proxy that is no address":            {[]string{"activator.trustedProxies={10.0.0.256/8}"}, []string{"activator.trustedProxies", `"10.0.0.256/8"`, "a network, such as 10.0.0.0/8"}},
		"a proxy's network too small":           {[]string{"activator.trustedProxies={10.0.0.0/33}"}, []string{"activator.trustedProxies", `"10.0.0.0/33"`}},
		"a receiver without port":               {[]string{"tracing.endpoint=otel:70000"}, []string{"/tracing/endpoint"}},
		"a cookie without name":                 {[]string{"activator.passed.cookies={\"\"}"}, []string{"/activator/passed/cookies/0"}},
		"more least than most replicas": {[]string{"activator.autoscaling.enabled=true",
			"activator.autoscaling.minReplicas=5", "activator.autoscaling.maxReplicas=3"},
			[]string{"activator.autoscaling.minReplicas 5", "maxReplicas 3"}},
		"an autoscaler that counts nothing": {[]string{"activator.autoscaling.enabled=true",
			"activator.autoscaling.targetHeldConnections=0", "activator.autoscaling.targetRelayedConnections=0"},
			[]string{"activator.autoscaling.enabled", "Set targetHeldConnections"}},
		"a share of no request": {[]string{"activator.autoscaling.enabled=true",
			"activator.autoscaling.targetCPU=80", "activator.resources=null"}, []string{"activator.autoscaling.targetCPU", "80", "Set the request"}},
		"a target above the limit": {[]string{"activator.autoscaling.enabled=true", "limits.heldConnections=1000"},
			[]string{"targetHeldConnections 5000", "limits.heldConnections 1000", "Lower the target"}},
		"an end that is over before load balancers know": {[]string{"activator.terminationGracePeriodSeconds=30", "activator.shutdownDelaySeconds=27"},
			[]string{"activator.shutdownDelaySeconds is 27", "activator.terminationGracePeriodSeconds 30", "Lower the delay to 13", "grace period to 60"}},
		"a delay that the program would cut": {[]string{"activator.terminationGracePeriodSeconds=600", "activator.shutdownDelaySeconds=271"},
			[]string{"activator.shutdownDelaySeconds is 271", "Lower the delay to 270", "grace period to 603"}},
		"an end of centuries":         {[]string{"activator.terminationGracePeriodSeconds=9000000000000000000"}, []string{"/activator/terminationGracePeriodSeconds", "604,800"}},
		"an end of a day at coturn":   {[]string{"coturn.terminationGracePeriodSeconds=90000"}, []string{"/terminationGracePeriodSeconds", "86,400"}},
		"more than memory has":        {[]string{"limits.heldBytes=9223372036854775807"}, []string{"/limits/heldBytes", "1×10¹²"}},
		"a head of terabytes":         {[]string{"limits.headerBytes=9223372036854775807"}, []string{"/limits/headerBytes", "1×10⁰⁷"}},
		"more than files":             {[]string{"limits.heldConnections=2000000"}, []string{"/limits/heldConnections", "1×10⁰⁶"}},
		"a burst without end":         {[]string{"limits.upgradesPerUser.burst=9000000000"}, []string{"/limits/upgradesPerUser/burst", "1×10⁰⁶"}},
		"more replicas than nodes":    {[]string{"activator.replicas=4294967297"}, []string{"/activator/replicas", "1,000"}},
		"more replicas than an int32": {[]string{"activator.autoscaling.maxReplicas=4294967297"}, []string{"/activator/autoscaling/maxReplicas", "1,000"}},
		"a quota without end":         {[]string{"coturn.quota.bytesPerSecond=9223372036854775807"}, []string{"/quota/bytesPerSecond", "1×10¹²"}},
		"a port beyond":               {[]string{"coturn.port=65536"}, []string{"/port", "65,535"}},
		"memory that overflows": {[]string{"activator.resources.limits.memory=9223372036854775807"},
			[]string{"activator.resources.limits.memory", "9223372036854775807", "16Ti", "such as 2Gi"}},
		"memory that overflows in its unit": {[]string{"operator.resources.limits.memory=99999999999Ti"},
			[]string{"operator.resources.limits.memory", "99999999999Ti", "16Ti"}},
		"a time for a request without end": {[]string{"activator.keepAliveSeconds=1h"}, []string{"/activator/keepAliveSeconds", "integer"}},
		"labels that pods are found by": {[]string{`activator.podLabels.app\.kubernetes\.io/component=listener`},
			[]string{"activator.podLabels", "app.kubernetes.io/component", "another key"}},
		"a service account without a name": {[]string{"operator.serviceAccount.create=false"},
			[]string{"operator.serviceAccount.create", "operator.serviceAccount.name"}},
		"one service account for both": {[]string{"operator.serviceAccount.name=vdi",
			"activator.serviceAccount.name=vdi"}, []string{"operator.serviceAccount.name", "activator.serviceAccount.name", `"vdi"`,
			"Give each its own"}},
		"coturn's service account without a name": {[]string{"coturn.serviceAccount.create=false"},
			[]string{"coturn.serviceAccount.create", "coturn.serviceAccount.name", "set create=true"}},
		"the operator's service account for coturn": {[]string{"operator.serviceAccount.name=vdi", "coturn.serviceAccount.name=vdi"},
			[]string{"coturn.serviceAccount.name", `"vdi"`, "Give coturn its own"}},
		"a field that no security context has": {[]string{"agent.securityContext.runAsUsr=1"}, []string{"/agent/securityContext", "runAsUsr"}},
		"a pod's field in a container's":       {[]string{"operator.securityContext.fsGroup=1"}, []string{"/operator/securityContext", "fsGroup"}},
		"a user that is a name":                {[]string{"coturn.podSecurityContext.runAsUser=turn"}, []string{"/podSecurityContext/runAsUser", "integer"}},
		"two templates of one name": {[]string{"templates[0].name=selkies", "templates[0].spec.image=x"},
			[]string{`templates names "selkies"`, "which selkies.enabled makes", "another name"}},
		"a template without an image": {[]string{"templates[0].name=mine", "templates[0].spec.displayName=x"}, []string{"/templates/0/spec", "'image'"}},
		"one namespace's rights and further templates": {without("", "templates[0].name=mine", "templates[0].spec.image=x"),
			[]string{`templates names "mine"`, "an administrator makes them", "Leave templates empty"}},
		"a spread over nothing": {[]string{"operator.topologySpreadConstraints[0].maxSkew=1"},
			[]string{"operator.topologySpreadConstraints", "topologyKey", "kubernetes.io/hostname"}},
		"https that nothing ends": {[]string{"ingress.enabled=true", "url.scheme=https"},
			[]string{"url.scheme", "nothing says where TLS ends", "ingress.tls.secretName"}},
		"a certificate with http": {[]string{"ingress.enabled=true", "url.scheme=http",
			"ingress.tls.secretName=wild"}, []string{`ingress.tls.secretName is "wild"`, `url.scheme is "http"`}},
		"two ways of TLS": {[]string{"ingress.enabled=true", "ingress.tls.secretName=wild",
			"ingress.tls.certManager.issuer.name=le"}, []string{"TLS can end in one way only"}},
		"a route without a Gateway": {[]string{"ingress.enabled=true", "ingress.type=HTTPRoute"},
			[]string{"ingress.gateway.parentRefs is empty"}},
		"a certificate for somebody's Gateway": {[]string{"ingress.enabled=true", "ingress.type=HTTPRoute",
			"ingress.gateway.parentRefs[0].name=public", "ingress.tls.secretName=wild"}, []string{"the certificate belongs to the Gateway"}},
		"a Gateway that nothing uses": {[]string{"ingress.enabled=true", "ingress.gateway.create=true"},
			[]string{"ingress.gateway", "Set ingress.type=HTTPRoute"}},
		"a certificate that nothing uses": {[]string{"ingress.tls.secretName=wildcard"}, []string{"ingress.tls.secretName", `"wildcard"`}},
		"the other scheme's port":         {[]string{"url.scheme=https", "url.port=80"}, []string{"url.port is 80", "url.port=0"}},
		"one namespace's rights, sessions everywhere": {without("watchNamespaces={vdi-system}"),
			[]string{"rbac.clusterScoped is false", "watchNamespaces={vdi-system}"}},
		"one namespace's rights, sessions elsewhere": {without("watchNamespaces={vdi-system}", "watchNamespaces={team-a}"),
			[]string{"watchNamespaces", `["team-a"]`}},
		"one namespace's rights and definitions": {without("crds.enabled=false"), []string{"crds.enabled", "Set crds.enabled=false"}},
		"one namespace's rights and a template": {without("selkies.enabled=false"),
			[]string{"selkies.enabled", "Set selkies.enabled=false"}},
		"one namespace's rights and Knative's config maps": {without("knative.applyConfig=false"),
			[]string{"knative.applyConfig", "Set knative.applyConfig=false"}},
		"one namespace's rights and the nodes' addresses": {without("", "coturn.externalAddress.mode=NodeExternalIP"),
			[]string{"coturn.externalAddress.mode is NodeExternalIP", "STUN", "coturn.rbac.create=false"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var flags []string
			for _, s := range c.set {
				flags = append(flags, "--set", s)
			}
			_, err := template(t, flags...)
			require.Error(t, err, "%v was taken", c.set)
			for _, say := range c.says {
				assert.Contains(t, err.Error(), say, "%v: it must say; it says, %v", c.set, err)
			}
		})
	}
}

func TestKubernetesThatIsTooOldIsRefused(t *testing.T) {
	_, err := template(t, "--kube-version", "v1.29.15")
	require.Error(t, err)
	require.Contains(t, err.Error(), "1.30")
	assert.Contains(t, err.Error(), "1.29", "it says %v", err)
	_, err = template(t, "--kube-version", "v1.30.0-gke.100")
	assert.NoError(t, err, "the oldest that is taken")
}

// Helm takes names that Services cannot begin with.
func TestReleasesWhoseNameServicesCannotHaveAreToldAnother(t *testing.T) {
	for _, name := range []string{"1st", "team.vdi"} {
		as := helm.Release{Name: name, Namespace: release.Namespace}
		_, err := as.Template(t.Context())
		require.Error(t, err, "%s was taken", name)
		assert.Contains(t, err.Error(), fmt.Sprintf("The release's name is %q", name))
		assert.Contains(t, err.Error(), "Set fullnameOverride")
		for _, o := range objects(t)(as.Template(t.Context(), "--set", "fullnameOverride=vdi")) {
			if o.GetKind() == "Service" {
				assert.Empty(t, validation.IsDNS1035Label(o.GetName()), "%s", o.GetName())
			}
		}
	}
}
