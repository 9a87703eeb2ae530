{{/* These take a context with this chart's own Values, and Release: the parent chart calls them too. */}}
{{- define "coturn.fullname" -}}
{{- .Values.fullnameOverride | default (printf "%s-coturn" (.Release.Name | trimSuffix "-operator" | trunc 40 | trimSuffix "-")) -}}
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

{{/* Labels of every object. */}}
{{- define "coturn.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "coturn.podLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "coturn.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "coturn.fullname" .) -}}
{{- end -}}

{{/* Set where the pod reads its public address from its Node, which needs a right. */}}
{{- define "coturn.readsNode" -}}
{{- if has .Values.externalAddress.mode (list "NodeExternalIP" "NodeAnnotation") }}true{{ end -}}
{{- end -}}

{{/* Set where only the pods know the public address. */}}
{{- define "coturn.findsAddress" -}}
{{- if ne .Values.externalAddress.mode "None" }}true{{ end -}}
{{- end -}}
