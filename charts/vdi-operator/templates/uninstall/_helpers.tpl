{{- define "vdi-operator.uninstall.name" -}}{{ include "vdi-operator.fullname" . }}-uninstall{{- end -}}

{{/* The operator's service account: the uninstall undoes what the operator did. */}}
{{- define "vdi-operator.uninstall.account" -}}
{{- include "vdi-operator.serviceAccountName" (dict "context" . "component" "operator") -}}
{{- end -}}

{{/* uninstall.timeout in seconds. */}}
{{- define "vdi-operator.uninstall.seconds" -}}
{{- $timeout := (.Values.uninstall).timeout | default "3m" -}}
{{- mul (regexFind "^[0-9]+" $timeout | int) (hasSuffix "m" $timeout | ternary 60 1) -}}
{{- end -}}

{{/*
"true" or empty. What is rendered without a cluster may be applied by others, to whom the hook is
a Job like any other. A release from before uninstall.enabled has no such value: that is auto.
*/}}
{{- define "vdi-operator.uninstall.enabled" -}}
{{- $enabled := toString (.Values.uninstall).enabled -}}
{{- if eq $enabled "true" }}true{{ else if ne $enabled "false" }}{{ include "vdi-operator.cluster" . }}{{ end -}}
{{- end -}}

{{/* Where Helm stores its releases. */}}
{{- define "vdi-operator.uninstall.storage" -}}
{{- (.Values.uninstall).releaseStorage | default "Secret" -}}
{{- end -}}

{{/* A role for the hook and its binding; takes {context, name, namespace, rules}. Without a namespace both belong to the cluster. */}}
{{- define "vdi-operator.uninstall.role" -}}
{{- $kind := ternary "Role" "ClusterRole" (not (empty .namespace)) }}
{{- $labels := include "vdi-operator.labels" (dict "context" .context "component" "uninstall") }}
{{- range list "" "Binding" }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}{{ . }}
metadata:
  name: {{ $.name }}
  {{- with $.namespace }}
  namespace: {{ . | quote }}
  {{- end }}
  labels:
    {{- $labels | nindent 4 }}
  annotations:
    helm.sh/hook: pre-delete
    helm.sh/hook-weight: "-1"
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- if . }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $kind }}
  name: {{ $.name }}
subjects:
  - kind: ServiceAccount
    name: {{ include "vdi-operator.uninstall.account" $.context }}
    namespace: {{ $.context.Release.Namespace | quote }}
{{- else }}
rules:
  {{- $.rules | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}
