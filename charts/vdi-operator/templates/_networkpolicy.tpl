{{/* The activator's pods, for policies of other namespaces. */}}
{{- define "vdi-operator.activator.peer" -}}
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ .Release.Namespace | quote }}
  podSelector:
    matchLabels:
      {{- include "vdi-operator.selectorLabels" (dict "context" . "component" "activator") | nindent 6 }}
{{- end -}}

{{/* The pods of sessions, wherever they are. */}}
{{- define "vdi-operator.desktops.peer" -}}
- namespaceSelector: {}
  podSelector:
    matchExpressions:
      - {key: vdi.kasm.io/session, operator: Exists}
{{- end -}}

{{/*
The cluster's DNS is a Service of pods, or a cache at a link-local address of each node.
OpenShift's pods listen at 5353.
*/}}
{{- define "vdi-operator.dns.egress" -}}
- to:
    - namespaceSelector: {}
    - ipBlock: {cidr: 169.254.20.10/32}
    {{- with .Values.networkPolicy.dns }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  ports:
    {{- range list 53 5353 }}
    - {port: {{ . }}, protocol: UDP}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
{{- end -}}

{{/*
The API server is not a pod. Some networks apply policies before they translate its
Service's address, others after.
*/}}
{{- define "vdi-operator.apiServer.egress" -}}
{{- $ports := .Values.networkPolicy.apiServer.ports -}}
{{- if .Values.rbac.clusterScoped -}}
{{- range (lookup "discovery.k8s.io/v1" "EndpointSlice" "default" "").items -}}
{{- if eq (dig "metadata" "labels" "kubernetes.io/service-name" "" .) "kubernetes" -}}
{{- range .ports -}}{{- $ports = append $ports .port -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $numbers := list -}}
{{- range $ports -}}{{- $numbers = append $numbers (int .) -}}{{- end -}}
- ports:
    {{- range uniq $numbers }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
  {{- with .Values.networkPolicy.apiServer.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* Where traces go. Any address: the receiver is known by name only. */}}
{{- define "vdi-operator.tracing.egress" -}}
{{- with regexFind ":[0-9]+$" ((.Values.tracing).endpoint | default "") -}}
- ports:
    - {port: {{ trimPrefix ":" . | int }}, protocol: TCP}
{{- end -}}
{{- end -}}

{{/*
TURN servers and their relay ports: media goes from pod to relay port. Any address for the
chart's coturn, because that has its node's.
*/}}
{{- define "vdi-operator.turn.egress" -}}
{{- if .Values.coturn.enabled -}}
- ports:
    - {port: {{ .Values.coturn.port | int }}, protocol: UDP}
    - {port: {{ .Values.coturn.port | int }}, protocol: TCP}
    - {port: {{ .Values.coturn.relay.minPort | int }}, endPort: {{ .Values.coturn.relay.maxPort | int }}, protocol: UDP}
{{ end -}}
{{- $ports := list -}}
{{- range .Values.turn.urls -}}
{{- $default := ternary 5349 3478 (regexMatch "^(turn|stun)s:" (lower .)) -}}
{{- $ports = append $ports (regexFind ":[0-9]+(\\?|$)" . | trimPrefix ":" | trimSuffix "?" | default $default | int) -}}
{{- end -}}
{{- if and $ports .Values.networkPolicy.desktops.turn -}}
- to:
    {{- include "vdi-operator.outsideCluster" (dict "context" . "peers" .Values.networkPolicy.desktops.turn) | nindent 4 }}
  ports:
    {{- range uniq $ports }}
    - {port: {{ . }}, protocol: UDP}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
    # What TURN servers relay from (RFC 8656, section 7.2).
    - {port: 49152, endPort: 65535, protocol: UDP}
{{- end -}}
{{- end -}}

{{/* Peers, of which those that name the internet leave out the cluster's public networks. */}}
{{- define "vdi-operator.outsideCluster" -}}
{{- $peers := list -}}
{{- range .peers -}}
{{- $peer := deepCopy . -}}
{{- if has (dig "ipBlock" "cidr" "" $peer) (list "0.0.0.0/0" "::/0") -}}
{{- $six := contains ":" $peer.ipBlock.cidr -}}
{{- range $.context.Values.networkPolicy.clusterNetworks -}}
{{- if eq $six (contains ":" .) -}}
{{- $_ := set $peer.ipBlock "except" (append ($peer.ipBlock.except | default list) .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $peers = append $peers $peer -}}
{{- end -}}
{{- toYaml $peers -}}
{{- end -}}

{{/*
The spec of the policy that the operator makes in each namespace with sessions. Desktops
ask for no password, because the activator checks visitors: anybody else who reached one
would be in it.
*/}}
{{- define "vdi-operator.desktopNetworkPolicy" -}}
podSelector:
  matchExpressions:
    - {key: vdi.kasm.io/session, operator: Exists}
policyTypes: [Ingress, Egress]
ingress:
  - from:
      {{- include "vdi-operator.activator.peer" . | nindent 6 }}
  {{- with .Values.networkPolicy.desktops.ingress }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
egress:
  {{- include "vdi-operator.dns.egress" . | nindent 2 }}
  # TURN credentials, and what agents report.
  - to:
      {{- include "vdi-operator.activator.peer" . | nindent 6 }}
    ports:
      - {port: 8081, protocol: TCP}
  {{- with include "vdi-operator.turn.egress" . }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- range .Values.networkPolicy.desktops.egress }}
  {{- $rule := . }}
  {{- with .to }}
  {{- $rule = merge (dict "to" (include "vdi-operator.outsideCluster" (dict "context" $ "peers" .) | fromYamlArray)) $rule }}
  {{- end }}
  {{- list $rule | toYaml | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* The ports of URLs, each once, as a list; takes {urls}. Endpoints of a provider at other ports need networkPolicy.extraEgress. */}}
{{- define "vdi-operator.auth.ports" -}}
{{- $ports := list -}}
{{- range .urls -}}
{{- $url := urlParse . -}}
{{- $ports = append $ports (regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (ternary "80" "443" (eq $url.scheme "http")) | int) -}}
{{- end -}}
{{- toYaml (uniq $ports) -}}
{{- end -}}
