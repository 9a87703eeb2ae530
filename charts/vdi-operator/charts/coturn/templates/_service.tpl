{{/* The Service, where coturn is not in the network of its node; the parent chart renders it. */}}
{{- define "coturn.service" -}}
{{- if not .Values.hostNetwork }}
{{- $service := .Values.service }}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "coturn.fullname" . }}
  namespace: {{ .Release.Namespace | quote }}
  labels:
    {{- include "coturn.labels" (merge (dict "more" $service.labels) .) | nindent 4 }}
  {{- with $service.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- include "vdi-operator.service.reach" $service | nindent 2 }}
  selector:
    {{- include "coturn.selectorLabels" . | nindent 4 }}
  # Media passes here too. The relay ports need no Service: browser and desktop both connect
  # to these ports.
  ports:
    {{- if $service.udp }}
    - {name: turn-udp, port: {{ $service.port | int }}, targetPort: turn-udp, protocol: UDP}
    {{- end }}
    {{- if $service.tcp }}
    - {name: turn-tcp, port: {{ $service.port | int }}, targetPort: turn-tcp, protocol: TCP}
    {{- end }}
    {{- if .Values.tls.enabled }}
    - {name: turn-tls, port: {{ $service.tlsPort | int }}, targetPort: turn-tls, protocol: TCP}
    {{- end }}
{{- end }}
{{- end -}}
