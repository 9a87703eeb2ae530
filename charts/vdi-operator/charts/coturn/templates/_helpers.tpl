{{/*
These take a context with this chart's own Values, and Release: the parent chart, which renders the
objects, calls them. With names and labels it adds parentName, the beginning of its own objects'
names, and parentLabels, which are for every object of a release.
*/}}
{{- define "coturn.fullname" -}}
{{- .Values.fullnameOverride | default (printf "%s-coturn" .parentName) -}}
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

{{/* Labels of every object; the object's own may be given as more. */}}
{{- define "coturn.labels" -}}
{{- $own := include "coturn.ownLabels" . -}}
{{ $own }}
{{- include "vdi-operator.furtherLabels" (dict "own" $own "further" (list .more .Values.commonLabels .parentLabels)) }}
{{- end -}}

{{- define "coturn.ownLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "coturn.podLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
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
