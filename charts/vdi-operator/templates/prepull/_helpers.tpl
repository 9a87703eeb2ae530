{{/* The PriorityClass of the pods; empty where an installer without rights in the cluster names none. */}}
{{- define "vdi-operator.prePull.priorityClass" -}}
{{- if .Values.prePull.priorityClassName -}}
{{ .Values.prePull.priorityClassName }}
{{- else if .Values.rbac.clusterScoped -}}
{{ include "vdi-operator.clusterName" (dict "context" . "name" (include "vdi-operator.prePull.name" .)) }}
{{- end -}}
{{- end -}}
