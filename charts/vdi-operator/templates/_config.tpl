{{/*
The configuration file of one program; takes {context, program}. Each program gets
what it reads and no more: a change of a session's timeout must not restart the
activator, which would cut live connections.
*/}}
{{- define "vdi-operator.config" -}}
{{- $ := .context -}}
installation:
  name: {{ include "vdi-operator.fullname" $ }}
  namespace: {{ $.Release.Namespace | quote }}
url:
  scheme: {{ include "vdi-operator.url.scheme" $ }}
  routing: {{ $.Values.url.routing }}
  domain: {{ $.Values.ingress.domain | quote }}
  port: {{ include "vdi-operator.url.port" $ }}
{{- include "vdi-operator.config.auth" . }}
namespaces: {{ toJson ($.Values.watchNamespaces | default list) }}
activator:
  service: {{ include "vdi-operator.activator.internalName" $ }}
  namespace: {{ $.Release.Namespace | quote }}
  internalPort: 8081
turn:
  urls: {{ toJson ($.Values.turn.urls | default list) }}
  {{- if and (not $.Values.turn.urls) $.Values.coturn.enabled }}
  discovery:
    namespace: {{ $.Release.Namespace | quote }}
    selector:
      {{- include "coturn.selectorLabels" $ | nindent 6 }}
    port: {{ $.Values.coturn.port | int }}
    {{- with $.Values.coturn.externalIP }}
    address: {{ . | quote }}
    {{- end }}
    {{- if include "coturn.findsAddress" (dict "Values" $.Values.coturn) }}
    addressPort: {{ $.Values.coturn.metrics.port | int }}
    {{- end }}
    {{- if $.Values.coturn.tls.enabled }}
    tls: {host: {{ $.Values.coturn.tls.host | quote }}, port: {{ $.Values.coturn.tls.port | int }}}
    {{- end }}
  {{- end }}
  credentialTTL: {{ $.Values.turn.credentialTTL }}
  icePolicy: {{ $.Values.turn.icePolicy }}
{{- if $.Values.tracing.endpoint }}
tracing:
  endpoint: {{ $.Values.tracing.endpoint | quote }}
  insecure: {{ $.Values.tracing.insecure }}
  samplingRatio: {{ $.Values.tracing.samplingRatio }}
{{- end }}
{{- if eq .program "operator" }}
keys:
  signing: {secret: {{ include "vdi-operator.signingSecret.name" $ | quote }}, make: {{ not $.Values.auth.signingKey.existingSecret }}}
  turn: {secret: {{ include "vdi-operator.turnSecret.name" $ | quote }}, make: {{ not $.Values.turn.existingSecret }}}
  visits: {secret: {{ include "vdi-operator.visitsSecret.name" $ | quote }}, make: true}
  portal: {secret: {{ include "vdi-operator.portalSecret.name" $ | quote }}, make: {{ not (empty (include "vdi-operator.portal" $)) }}}
  rotateEvery: {{ $.Values.auth.keys.rotateEvery }}
agent:
  enabled: {{ $.Values.agent.enabled }}
  image: {{ include "vdi-operator.image" (dict "context" $ "image" $.Values.agent.image) | quote }}
  peers: {{ include "vdi-operator.activator.peersName" $ }}
  resources: {{ toJson ($.Values.agent.resources | default dict) }}
  securityContext: {{ toJson ($.Values.agent.securityContext | default dict) }}
{{- with $.Values.prePull }}
{{- if .enabled }}
prePull:
  enabled: true
  serviceAccount: {{ include "vdi-operator.prePull.name" $ }}
  imagePullSecrets: {{ include "vdi-operator.imagePullSecrets" $ | fromYamlArray | toJson }}
  priorityClassName: {{ include "vdi-operator.prePull.priorityClass" $ | quote }}
  gpuNodeLabels: {{ toJson (.gpuNodeLabels | default list) }}
  {{- with .maxUnavailable }}
  maxUnavailable: {{ . }}
  {{- end }}
  resources: {{ toJson (.resources | default dict) }}
{{- end }}
{{- end }}
{{- if ($.Values.doze).enabled }}
doze:
  enabled: true
  selector:
    {{- include "vdi-operator.selectorLabels" (dict "context" $ "component" "node") | nindent 4 }}
  memoryPressure: {{ $.Values.doze.memoryPressure }}
{{- end }}
knative:
  enabled: {{ $.Values.knative.enabled }}
  namespace: {{ $.Values.knative.namespace | quote }}
  applyConfig: {{ $.Values.knative.applyConfig }}
desktops:
  protectFromEviction: {{ $.Values.desktops.protectFromEviction }}
  nodeLossTolerationSeconds: {{ $.Values.desktops.nodeLossTolerationSeconds }}
  podSecurityContext: {{ toJson ($.Values.desktops.podSecurityContext | default dict) }}
{{- if $.Values.networkPolicy.enabled }}
desktopNetworkPolicy:
  {{- include "vdi-operator.desktopNetworkPolicy" $ | nindent 2 }}
{{- end }}
{{- end }}
{{- if eq .program "activator" }}
{{- /* toJson: a large number from values.yaml would otherwise come out as 1e+06. */}}
limits:
  {{- range $name, $value := $.Values.limits }}
  {{- if kindIs "map" $value }}
  {{- /* --set gives a fraction as a string. */}}
  {{- $value = merge (dict "perSecond" (float64 $value.perSecond)) $value }}
  {{- end }}
  {{ $name }}: {{ toJson $value }}
  {{- end }}
trustedProxies: {{ toJson ($.Values.activator.trustedProxies | default list) }}
{{- with $.Values.activator.passed }}
passed: {{ toJson . }}
{{- end }}
{{- end }}
{{- end -}}

{{/*
Who is let in, and by whom; takes {context, program}. The operator needs none of it but the
portal, whose keys it makes and which it asks whether people can sign in.
*/}}
{{- define "vdi-operator.config.auth" -}}
{{- $ := .context -}}
{{- $auth := $.Values.auth -}}
{{- $program := .program -}}
{{- if ne .program "operator" }}
auth:
  links: {{ $auth.links.enabled }}
  {{- with $auth.oidc }}
  {{- if .issuer }}
  oidc:
    issuer: {{ .issuer | quote }}
    clientID: {{ .clientID | quote }}
    {{- if eq $program "portal" }}
    scopes: {{ toJson (.scopes | default list) }}
    claims: {user: {{ .claims.user | quote }}, groups: {{ .claims.groups | default "" | quote }}}
    allowedGroups: {{ toJson (.allowedGroups | default list) }}
    adminGroups: {{ toJson ($auth.adminGroups | default list) }}
    recheckEvery: {{ .recheckEvery }}
    keepWhileAway: {{ .keepWhileAway }}
    signInFor: {{ .signInFor }}
    unconfirmedFor: {{ .unconfirmedFor }}
    leeway: {{ .leeway }}
    {{- end }}
  {{- end }}
  {{- end }}
  {{- with $auth.forwarded }}
  {{- if .userHeader }}
  forwarded:
    userHeader: {{ .userHeader | quote }}
    groupsHeader: {{ .groupsHeader | default "" | quote }}
    from: {{ toJson (.from | default list) }}
    adminGroups: {{ toJson ($auth.adminGroups | default list) }}
  {{- end }}
  {{- end }}
  {{- with $auth.issuers }}
  issuers: {{ toJson . }}
  {{- end }}
{{- end }}
{{- if include "vdi-operator.portal" $ }}
portal:
  host: {{ include "vdi-operator.portal.host" $ | quote }}
  service: {{ include "vdi-operator.portal.name" $ }}
  namespace: {{ $.Release.Namespace | quote }}
  port: 8080
  internalPort: 8081
  {{- if eq .program "portal" }}
  sessionsNamespace: {{ $.Values.portal.sessionsNamespace | default (first (append ($.Values.watchNamespaces | default list) "")) | quote }}
  maxSessionsPerUser: {{ $.Values.portal.maxSessionsPerUser | int }}
  signInsPerAddress: {{ merge (dict "perSecond" (float64 $.Values.portal.signInsPerAddress.perSecond)) $.Values.portal.signInsPerAddress | toJson }}
  {{- end }}
{{- end }}
audit:
  enabled: {{ $.Values.audit.enabled }}
{{- end -}}

{{/*
What the operator reloads while it runs: not part of the checksum that restarts it. It ends
the operator's file.
*/}}
{{- define "vdi-operator.config.live" -}}
sessions: {{- toYaml .Values.sessions | nindent 2 }}
{{- end -}}
