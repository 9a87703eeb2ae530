{{/* These take a context with this chart's own Values, and Release: the parent chart calls them too. */}}
{{- define "coturn.fullname" -}}
{{- .Values.fullnameOverride | default (printf "%s-coturn" (.Release.Name | trimSuffix "-operator" | trunc 40 | trimSuffix "-")) -}}
{{- end -}}

{{- define "coturn.configSecret.name" -}}
{{- .Values.existingConfigSecret | default (include "coturn.fullname" .) -}}
{{- end -}}

{{/* The activator finds the pods by these labels. */}}
{{- define "coturn.selectorLabels" -}}
app.kubernetes.io/name: coturn
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "coturn.podLabels" -}}
{{ include "coturn.selectorLabels" . }}
app.kubernetes.io/component: turn
app.kubernetes.io/part-of: vdi-operator
{{- end -}}

{{/*
turnserver.conf; takes {Values, secret}. The node's address is given by flags, because
only the pod knows it.
*/}}
{{- define "coturn.config" -}}
listening-port={{ .Values.port | int }}
min-port={{ .Values.relay.minPort | int }}
max-port={{ .Values.relay.maxPort | int }}
realm={{ .Values.realm }}

# Time-limited credentials that the activator mints.
use-auth-secret
static-auth-secret={{ .secret }}
stale-nonce=600
user-quota={{ .Values.quota.perUser | int }}
total-quota={{ .Values.quota.total | int }}

# WebRTC relays UDP only; relaying TCP would open the network's services to users.
no-tcp-relay
no-multicast-peers
{{- range .Values.deniedPeers }}
denied-peer-ip={{ . }}
{{- end }}
{{- range .Values.allowedPeers }}
allowed-peer-ip={{ . }}
{{- end }}

fingerprint
no-tls
no-dtls
no-cli
no-software-attribute
# Smaller answers make the server less useful to amplify attacks.
no-rfc5780
no-stun-backward-compatibility
response-origin-only-with-rfc5780

log-file=stdout
simple-log
pidfile=/run/turnserver/turnserver.pid
userdb=/var/lib/turn/turndb
{{ end -}}
