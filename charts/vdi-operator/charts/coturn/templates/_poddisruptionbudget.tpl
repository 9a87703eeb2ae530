{{/* The PodDisruptionBudget; the parent chart renders it. */}}
{{- define "coturn.podDisruptionBudget" -}}
{{- if .Values.podDisruptionBudget.enabled }}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "coturn.fullname" . }}
  namespace: {{ .Release.Namespace | quote }}
  labels:
    {{- include "coturn.labels" . | nindent 4 }}
spec:
  maxUnavailable: {{ .Values.podDisruptionBudget.maxUnavailable }}
  selector:
    matchLabels:
      {{- include "coturn.selectorLabels" . | nindent 6 }}
{{- end }}
{{- end -}}
