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
{{- else }}
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
What the operator reloads while it runs: not part of the checksum that restarts it. It ends
the operator's file.
*/}}
{{- define "vdi-operator.config.live" -}}
sessions: {{- toYaml .Values.sessions | nindent 2 }}
{{- end -}}
