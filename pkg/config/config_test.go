package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

const least = "url: {domain: vdi.example.com}\n"

func TestTheLeastConfigurationIsCompletedByDefaults(t *testing.T) {
	c, err := Parse([]byte(least))
	require.NoError(t, err)
	want := Default()
	want.URL.Domain = "vdi.example.com"
	if c.Installation != want.Installation || !reflect.DeepEqual(c.Sessions, want.Sessions) || c.Activator != want.Activator || c.Knative != want.Knative || !reflect.DeepEqual(c.Desktops, want.Desktops) || c.URL != want.URL || c.Limits != want.Limits ||
		!slices.Equal(c.TrustedProxies, want.TrustedProxies) {
		t.Errorf("have %+v\nwant %+v", c, want)
	}
	s := c.Sessions
	require.Equal(t, 30*time.Minute, s.IdleTimeout.OrZero())
	assert.Equal(t, 10*time.Minute, s.StartupTimeout.OrZero(), "clocks %+v", s)
	assert.Equal(t, "vdi-activator-internal.vdi-system.svc.cluster.local", c.Activator.Host(), "activator")
}

func TestEveryFieldCanBeSet(t *testing.T) {
	c, err := Parse([]byte(`
installation: {name: desk, namespace: desks}
url: {scheme: http, domain: localhost, port: 8080}
sessions: {idleTimeout: 0s, disconnectTimeout: 1m, maxDuration: 8h, startupTimeout: 90s}
knative: {enabled: false, namespace: serving, applyConfig: false}
desktops: {protectFromEviction: false, nodeLossTolerationSeconds: 30}
namespaces: [team-a, team-b]
activator: {service: a, namespace: b, internalPort: 9}
turn: {urls: ["turn:turn.example.com:3478?transport=udp", "stuns:s"], credentialTTL: 2h, icePolicy: relay}
trustedProxies: [192.0.2.0/24]
audit: {enabled: false}
tracing: {endpoint: "collector.monitoring:4318", insecure: true, samplingRatio: 0.1}
limits:
  holdTime: 5m
  relayIdleTimeout: 2h
  headerBytes: 8192
  pendingConnections: 3
  pendingConnectionsPerAddress: 2
  upgradesPerUser: {perSecond: 0.5, burst: 1}
  upgradesPerAddress: {burst: 7}
`))
	require.NoError(t, err)
	if c.URL.Port != 8080 || c.Sessions.IdleTimeout.OrZero() != 0 || c.Knative.ApplyConfig || c.Knative.Enabled || c.Desktops.ProtectFromEviction || c.Activator.InternalPort != 9 || c.TURN.ICEPolicy != "relay" {
		t.Errorf("have %+v", c)
	}
	assert.False(t, c.Audit.Enabled)
	assert.Equal(t, []string{"team-a", "team-b"}, c.Namespaces, "namespaces")
	assert.Equal(t, Installation{Name: "desk", Namespace: "desks"}, c.Installation)
	assert.Equal(t, Tracing{Endpoint: "collector.monitoring:4318", Insecure: true, SamplingRatio: 0.1}, c.Tracing)
	l := Default().Limits
	l.HoldTime.Duration, l.RelayIdleTimeout.Duration, l.HeaderBytes, l.PendingConnections, l.PendingConnectionsPerAddress = 5*time.Minute, 2*time.Hour, 8192, 3, 2
	l.UpgradesPerUser = Rate{PerSecond: 0.5, Burst: 1}
	l.UpgradesPerAddress.Burst = 7 // the rest of it stays as it is
	require.Equal(t, l, c.Limits)
	assert.Equal(t, []string{"192.0.2.0/24"}, c.TrustedProxies)
}

// Upper case means the same in a TURN URL, which GStreamer and pion do not know.
func TestATURNURLIsReadInLowerCase(t *testing.T) {
	c, err := Parse([]byte(least + "turn: {urls: ['TURN:Turn.example.com:3478?Transport=UDP', 'Stuns:[2001:DB8::1]']}"))
	require.NoError(t, err)
	assert.Equal(t, []string{"turn:turn.example.com:3478?transport=udp", "stuns:[2001:db8::1]"}, c.TURN.URLs)
}

func TestWithoutKnativeItsNamespaceDoesNotMatter(t *testing.T) {
	_, err := Parse([]byte(least + "knative: {enabled: false, namespace: ''}"))
	assert.NoError(t, err)
}

func TestAConnectionIsHeldForTheStartupTimeoutAndNeverForEver(t *testing.T) {
	limits := Default().Limits
	for startup, want := range map[time.Duration]time.Duration{
		10 * time.Minute: 10*time.Minute + 30*time.Second, // so that the operator's reason comes first
		0:                30 * time.Minute,
		time.Hour:        30 * time.Minute,
	} {
		assert.Equal(t, want, limits.HoldFor(startup), "with a startup timeout of %s: held", startup)
	}
}

func TestABadConfigurationNamesFieldValueAndRemedy(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		says []string
	}{
		"no domain":              {"{}", []string{"url.domain", "must be a bare domain"}},
		"a domain with a scheme": {"url: {domain: 'https://x.example.com'}", []string{"url.domain", "https://x.example.com", "without scheme"}},
		"a wildcard":             {"url: {domain: '*.example.com'}", []string{"url.domain", "wildcard"}},
		"a scheme there is not":  {"url: {domain: a, scheme: ftp}", []string{"url.scheme", "ftp", "http or https"}},
		"a port too high":        {"url: {domain: a, port: 65536}", []string{"url.port", "65536", "between 1 and 65535"}},
		"a negative port":        {"url: {domain: a, port: -1}", []string{"url.port"}},
		"an unknown key":         {least + "urls: {}", []string{"urls"}},
		"an unknown inner key":   {least + "sessions: {idle: 1h}", []string{"idle"}},
		"a duration in words":    {least + "sessions: {idleTimeout: soon}", []string{"soon"}},
		"an idle timeout of 1s":  {least + "sessions: {idleTimeout: 1s}", []string{"sessions.idleTimeout", "1s", "between 10s and 8760h0m0s", "0s"}},
		"a clock of centuries":   {least + "sessions: {maxDuration: 1000000h}", []string{"sessions.maxDuration", "1000000h0m0s", "8760h0m0s"}},
		"kept for centuries":     {least + "sessions: {keepWorkloadFor: 1000000h}", []string{"sessions.keepWorkloadFor", "1000000h0m0s", "8760h0m0s"}},
		"good for centuries":     {least + "turn: {credentialTTL: 1000000h}", []string{"turn.credentialTTL", "1000000h0m0s", "720h0m0s"}},
		"a disconnect of 9s":     {least + "sessions: {disconnectTimeout: 9s}", []string{"sessions.disconnectTimeout"}},
		"a negative maximum":     {least + "sessions: {maxDuration: -1h}", []string{"sessions.maxDuration", "-1h"}},
		"a startup of 1ms":       {least + "sessions: {startupTimeout: 1ms}", []string{"sessions.startupTimeout"}},
		"more than memory has":   {least + "limits: {heldBytes: 9223372036854775807}", []string{"limits.heldBytes", "1000000000000 or less"}},
		"a head of terabytes":    {least + "limits: {headerBytes: 9223372036854775807}", []string{"limits.headerBytes", "10000000 or less"}},
		"more than files":        {least + "limits: {heldConnections: 2000000}", []string{"limits.heldConnections", "2000000", "1000000 or less"}},
		"a rate without end":     {least + "limits: {upgradesPerUser: {perSecond: 1e300}}", []string{"limits.upgradesPerUser.perSecond", "1000000 or less"}},
		"held for centuries":     {least + "limits: {holdTime: 2000000h}", []string{"limits.holdTime", "2000000h0m0s", "8760h0m0s or less"}},
		"no held connections":    {least + "limits: {heldConnections: 0}", []string{"limits.heldConnections", "1 or more"}},
		"none per session":       {least + "limits: {heldConnectionsPerSession: 0}", []string{"limits.heldConnectionsPerSession"}},
		"no buffered bytes":      {least + "limits: {bufferedBytes: -1}", []string{"limits.bufferedBytes", "-1"}},
		"no buffered frames":     {least + "limits: {bufferedFrames: 0}", []string{"limits.bufferedFrames"}},
		"no message bytes":       {least + "limits: {messageBytes: 0}", []string{"limits.messageBytes"}},
		"no candidates":          {least + "limits: {candidates: 0}", []string{"limits.candidates", "1 or more"}},
		"no pages":               {least + "limits: {pagesPerSession: 0}", []string{"limits.pagesPerSession", "1 or more"}},
		"a cache below nothing":  {least + "limits: {clientCacheBytes: -1}", []string{"limits.clientCacheBytes", "or 0"}},
		"no hold":                {least + "limits: {holdHTTP: 0s}", []string{"limits.holdHTTP", "above 0s"}},
		"held for no time":       {least + "limits: {holdTime: 0s}", []string{"limits.holdTime", "above 0s"}},
		"idle for no time":       {least + "limits: {relayIdleTimeout: 30s}", []string{"limits.relayIdleTimeout", "1m or more"}},
		"idle for less":          {least + "limits: {relayIdleTimeout: -1h}", []string{"limits.relayIdleTimeout", "0s for no limit"}},
		"a head of 1 KiB":        {least + "limits: {headerBytes: 1024}", []string{"limits.headerBytes", "1024", "4096 or more"}},
		"no new connections":     {least + "limits: {pendingConnections: 0}", []string{"limits.pendingConnections", "1 or more"}},
		"no idle ones":           {least + "limits: {idleConnections: 0}", []string{"limits.idleConnections", "1 or more"}},
		"none from an address":   {least + "limits: {pendingConnectionsPerAddress: -1}", []string{"limits.pendingConnectionsPerAddress", "-1"}},
		"no upgrades":            {least + "limits: {upgradesPerUser: {perSecond: 0}}", []string{"limits.upgradesPerUser.perSecond", "above 0"}},
		"no upgrade at all":      {least + "limits: {upgradesPerAddress: {burst: 0}}", []string{"limits.upgradesPerAddress.burst", "1 or more"}},
		"a proxy's single IP":    {least + "trustedProxies: [10.0.0.1]", []string{"trustedProxies", "10.0.0.1", "CIDR"}},
		"no header timeout":      {least + "limits: {headerTimeout: 0s}", []string{"limits.headerTimeout"}},
		"no credential life":     {least + "turn: {credentialTTL: 0s}", []string{"turn.credentialTTL"}},
		"a TURN URL with http":   {least + "turn: {urls: ['http://t']}", []string{"turn.urls", "http://t", "turn:"}},
		"an ICE policy":          {least + "turn: {icePolicy: none}", []string{"turn.icePolicy", "all or relay"}},
		"discovery without port": {least + "turn: {discovery: {namespace: a, selector: {a: b}}}", []string{"turn.discovery.port"}},
		"discovery nowhere":      {least + "turn: {discovery: {port: 3478, selector: {a: b}}}", []string{"turn.discovery.namespace"}},
		"discovery by name":      {least + "turn: {discovery: {port: 3478, namespace: a, selector: {a: b}, address: turn.example.com}}", []string{"turn.discovery.address", "IP address"}},
		"TLS without a name":     {least + "turn: {discovery: {port: 3478, namespace: a, selector: {a: b}, tls: {port: 5349}}}", []string{"turn.discovery.tls", "host"}},
		"discovery of anything":  {least + "turn: {discovery: {port: 3478, namespace: a}}", []string{"turn.discovery.selector"}},
		"an agent of no image":   {least + "agent: {enabled: true}", []string{"agent.image", "agent.enabled"}},
		"an agent's request":     {least + "agent: {resources: {requests: {cpu: 1}, limits: {cpu: 500m}}}", []string{"agent.resources.requests[cpu]", "1", "must be 500m"}},
		"an agent's activators":  {least + "agent: {peers: A}", []string{"agent.peers", "A"}},
		"no time on a lost node": {least + "desktops: {nodeLossTolerationSeconds: -1}", []string{"desktops.nodeLossTolerationSeconds", "-1", "0, to leave a node at once"}},
		"an activator's name":    {least + "activator: {service: A}", []string{"activator.service", "A"}},
		"an activator nowhere":   {least + "activator: {namespace: ''}", []string{"activator.namespace"}},
		"no name":                {least + "installation: {name: ''}", []string{"installation.name"}},
		"a name in capitals":     {least + "installation: {name: VDI}", []string{"installation.name", "VDI"}},
		"installed nowhere":      {least + "installation: {namespace: ''}", []string{"installation.namespace"}},
		"a key without a Secret": {least + "keys: {signing: {secret: ''}}", []string{"keys.signing.secret"}},
		"a Secret in capitals":   {least + "keys: {turn: {secret: Shared_Key}}", []string{"keys.turn.secret", "Shared_Key"}},
		"a collector's URL":      {least + "tracing: {endpoint: 'http://c:4318'}", []string{"tracing.endpoint", "http://c:4318", "without scheme"}},
		"a collector's host":     {least + "tracing: {endpoint: collector}", []string{"tracing.endpoint", "host:port"}},
		"a collector's port":     {least + "tracing: {endpoint: 'collector:otlp'}", []string{"tracing.endpoint", "host:port"}},
		"a sampling percentage":  {least + "tracing: {samplingRatio: 10}", []string{"tracing.samplingRatio", "10", "between 0"}},
		"no ratio below nothing": {least + "tracing: {samplingRatio: -0.1}", []string{"tracing.samplingRatio"}},
		"Knative nowhere":        {least + "knative: {namespace: ''}", []string{"knative.namespace"}},
		"Knative perhaps":        {least + "knative: {enabled: maybe}", []string{"enabled"}},
		"a namespace's pattern":  {least + "namespaces: [a, 'team-*']", []string{"namespaces[1]", "team-*", "be empty for all"}},
		"no namespace's name":    {least + "namespaces: ['']", []string{"namespaces[0]"}},
		"all the time and more":  {least + "doze: {memoryPressure: 101}", []string{"doze.memoryPressure", "101", "from 1 to 100, or 0 for off"}},
		"a pressure below none":  {least + "doze: {memoryPressure: -1}", []string{"doze.memoryPressure", "-1"}},
		"a namespace twice":      {least + "namespaces: [a, b, a]", []string{"namespaces[2]", `"a"`, "twice"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(c.text))
			require.Error(t, err, "was taken")
			for _, part := range c.says {
				assert.Contains(t, err.Error(), part, "want %q in: %v", part, err)
			}
		})
	}
}

func TestAFileThatIsNotThereIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	_, err := Load(path)
	assert.ErrorContains(t, err, path)
	require.NoError(t, os.WriteFile(path, []byte(least), 0o600))
	_, err = Load(path)
	assert.NoError(t, err)
}

func TestSessionsHaveTheirOwnHosts(t *testing.T) {
	u := URL{Scheme: "https", Domain: "vdi.example.com"}
	assert.Equal(t, "https://ada--team-a.vdi.example.com/", u.SessionURL("team-a", "ada"))
	u.Scheme, u.Port = "http", 8080
	assert.Equal(t, "http://ada--team-a.vdi.example.com:8080/", u.SessionURL("team-a", "ada"))
	name, namespace := strings.Repeat("s", 40), strings.Repeat("n", 63)
	label, _, _ := strings.Cut(u.SessionHost(namespace, name), ".")
	require.LessOrEqual(t, len(label), 63)
	assert.True(t, strings.HasPrefix(label, name+"--"), "label %q of %d characters", label, len(label))
	other, _, _ := strings.Cut(u.SessionHost(namespace[:62]+"m", name), ".")
	assert.NotEqual(t, label, other, "two namespaces share a host")
}

func TestSessionsMayBeFoldersOfOneHost(t *testing.T) {
	u := URL{Scheme: "https", Routing: RoutingPath, Domain: "vdi.example.com", Port: 8443}
	assert.Equal(t, "https://vdi.example.com:8443/ada--team-a/", u.SessionURL("team-a", "ada"))
	assert.Equal(t, "vdi.example.com/ada--team-a", u.SessionAddress("team-a", "ada"), "address")
	assert.NotEqual(t, u.SessionAddress("team-b", "ada"), u.SessionAddress("team-a", "ada"), "two namespaces share an address")
	u.Routing = RoutingHost
	assert.Equal(t, "ada--team-a.vdi.example.com", u.SessionAddress("team-a", "ada"), "address")
}

func TestNoNamespaceCanBeCalledLikeAnothersAddress(t *testing.T) {
	u := URL{Scheme: "https", Domain: "vdi.example.com"}
	long := strings.Repeat("n", 63)
	for _, length := range []int{1, 2, 20, 40} {
		name := strings.Repeat("a", length)
		label, _, _ := strings.Cut(u.SessionHost(long, name), ".")
		if problems := validation.IsDNS1123Label(label); len(problems) > 0 {
			t.Errorf("%s: %v", label, problems)
		}
		// Whatever follows the first "--" is what a namespace would have to be called.
		_, namespace, _ := strings.Cut(label, "--")
		if problems := validation.IsDNS1123Label(namespace); len(label) == 63 && len(problems) == 0 {
			t.Errorf("a session %s in a namespace %s has the address of one in %s", name, namespace, long)
		}
	}
}

func TestAnAgentsLimitMayBeLeftOut(t *testing.T) {
	c, err := Parse([]byte(least + "agent: {resources: {limits: {memory: 64Mi}}}"))
	require.NoError(t, err)
	assert.NotContains(t, c.Agent.Resources.Limits, corev1.ResourceCPU)
	c, err = Parse([]byte(least))
	require.NoError(t, err)
	assert.Equal(t, Default().Agent.Resources, c.Agent.Resources)
}

// Where a platform assigns users and groups, a fixed one is refused.
func TestAUserAndAGroupMayBeLeftOut(t *testing.T) {
	c, err := Parse([]byte(least + `
agent: {securityContext: {runAsNonRoot: true, capabilities: {drop: [ALL]}}}
desktops: {podSecurityContext: {seccompProfile: {type: RuntimeDefault}}}
`))
	require.NoError(t, err)
	assert.Nil(t, c.Agent.SecurityContext.RunAsUser)
	assert.True(t, *c.Agent.SecurityContext.RunAsNonRoot)
	assert.Nil(t, c.Desktops.PodSecurityContext.FSGroup)
	assert.NotNil(t, c.Desktops.PodSecurityContext.SeccompProfile)
	c, err = Parse([]byte(least))
	require.NoError(t, err)
	assert.Equal(t, Default().Agent.SecurityContext, c.Agent.SecurityContext)
	assert.Equal(t, Default().Desktops.PodSecurityContext, c.Desktops.PodSecurityContext)
	_, err = Parse([]byte(least + "agent: {securityContext: {runAsUsr: 1}}"))
	assert.ErrorContains(t, err, "runAsUsr")
}

func TestPrePullSaysWhatIsWrongOnlyWhereItIsOn(t *testing.T) {
	const wrong = "prePull: {enabled: %t, serviceAccount: A, gpuNodeLabels: [a b], maxUnavailable: 0, resources: {requests: {cpu: 2}, limits: {cpu: 1}}}"
	_, err := Parse(fmt.Appendf(nil, least+wrong, false))
	require.NoError(t, err)
	_, err = Parse(fmt.Appendf(nil, least+wrong, true))
	for _, part := range []string{"agent.image", "prePull.serviceAccount", "prePull.gpuNodeLabels[0]", "prePull.maxUnavailable", "prePull.resources.requests[cpu]"} {
		assert.ErrorContains(t, err, part)
	}
}
