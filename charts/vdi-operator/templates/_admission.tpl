{{/* Metadata of an admission policy of that name, and of its binding. */}}
{{- define "vdi-operator.admission.metadata" -}}
metadata:
  name: {{ .name }}
  labels:
    {{- include "vdi-operator.labels" (dict "context" .context "component" "admission-policy") | nindent 4 }}
{{- end -}}

{{/* What binds an admission policy of that name. */}}
{{- define "vdi-operator.admission.binding" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
{{ include "vdi-operator.admission.metadata" . }}
spec:
  policyName: {{ .name }}
  validationActions: [Deny]
{{- end -}}

{{/* The namespaces of this installation's sessions, in matchConstraints; nothing for all. */}}
{{- define "vdi-operator.admission.namespaces" -}}
{{- with .Values.watchNamespaces -}}
namespaceSelector:
  matchExpressions:
    - {key: kubernetes.io/metadata.name, operator: In, values: {{ toJson . }}}
{{- end -}}
{{- end -}}
