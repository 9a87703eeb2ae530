{{/*
Annotations of a component's pods besides the checksum: those for a Prometheus without its
Operator, and those of values, which win; takes {context, component, port}.
*/}}
{{- define "vdi-operator.podAnnotations" -}}
{{- $all := dict -}}
{{- if .context.Values.prometheusAnnotations.enabled -}}
{{- $all = dict "prometheus.io/scrape" "true" "prometheus.io/port" (.port | toString) "prometheus.io/path" "/metrics" -}}
{{- end -}}
{{- with mergeOverwrite $all ((get .context.Values (.values | default .component)).podAnnotations | default dict) -}}
{{- omit . "checksum/config" | toYaml -}}
{{- end -}}
{{- end -}}

{{/*
Metadata of an object that another operator finds by its labels, perhaps in a namespace of
its own; takes {context, component, name, values}. The values' labels win.
*/}}
{{- define "vdi-operator.monitoring.metadata" -}}
name: {{ .name }}
namespace: {{ .values.namespace | default .context.Release.Namespace | quote }}
labels:
  {{- merge (dict) .values.labels (include "vdi-operator.labels" . | fromYaml) | toYaml | nindent 2 }}
{{- end -}}

{{/*
The endpoint at a program's port "metrics"; takes {values, job}. The job's name is the
release's, so that alerts and dashboard know it.
*/}}
{{- define "vdi-operator.monitoring.endpoint" -}}
port: metrics
path: /metrics
interval: {{ .values.interval }}
scrapeTimeout: {{ .values.scrapeTimeout }}
relabelings:
  - action: replace
    targetLabel: job
    replacement: {{ .job }}
  {{- with .values.relabelings }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .values.metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
