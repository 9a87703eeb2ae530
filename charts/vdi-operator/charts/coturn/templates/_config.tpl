{{/* What the supervisor reads; no secret is in it. int64: a large number would come out as 1e+06. */}}
{{- define "coturn.config" -}}
port: {{ .Values.port | int }}
tlsPort: {{ .Values.tls.enabled | ternary .Values.tls.port 0 | int }}
relay:
  minPort: {{ .Values.relay.minPort | int }}
  maxPort: {{ .Values.relay.maxPort | int }}
realm: {{ .Values.realm | quote }}
external:
{{- if .Values.externalIP }}
  mode: Fixed
  address: {{ .Values.externalIP | quote }}
{{- else }}
  mode: {{ .Values.externalAddress.mode | quote }}
  {{- if eq .Values.externalAddress.mode "NodeAnnotation" }}
  annotation: {{ .Values.externalAddress.annotation | quote }}
  {{- else if eq .Values.externalAddress.mode "STUN" }}
  stunServer: {{ .Values.externalAddress.stunServer | quote }}
  {{- end }}
{{- end }}
quota:
  perUser: {{ .Values.quota.perUser | int64 }}
  total: {{ .Values.quota.total | int64 }}
  bytesPerSecond: {{ .Values.quota.bytesPerSecond | int64 }}
deniedPeers: {{ toJson .Values.deniedPeers }}
allowedPeers: {{ toJson .Values.allowedPeers }}
# Credentials of a secret that was replaced are good for as long as they were made for.
secretOverlap: {{ .credentialTTL }}
{{ end -}}
