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

{{/*
Who makes what visitors are led to, as a list of user names in CEL: the operator and Knative
of a session's template, Kubernetes' controllers of what those make, and who is named by
values. Whatever one of them makes is made of an object that is checked itself.
*/}}
{{- define "vdi-operator.admission.makers" -}}
{{- $operator := printf "system:serviceaccount:%s:%s" .Release.Namespace (include "vdi-operator.serviceAccountName" (dict "context" . "component" "operator")) -}}
{{- $knative := printf "system:serviceaccount:%s:controller" .Values.knative.namespace -}}
{{- $kubernetes := list "system:serviceaccount:kube-system:deployment-controller" "system:serviceaccount:kube-system:replicaset-controller" "system:kube-controller-manager" -}}
{{- concat $kubernetes (list $operator) (ternary (list $knative) list .Values.knative.enabled) (.Values.admissionPolicy.podCreators | default list) | toJson -}}
{{- end -}}

{{/*
The pod template of the object of that name, in CEL; empty without one. dyn, because the
kinds have it at different places.
*/}}
{{- define "vdi-operator.admission.template" -}}
(request.kind.kind == 'CronJob' ? dyn({{ . }}).spec.jobTemplate.spec.template : dyn({{ . }}).?spec.?template.orValue({}))
{{- end -}}

{{/* Who makes sessions for others: those of values, and the portal for who has signed in. */}}
{{- define "vdi-operator.admission.sessionMakers" -}}
{{- $users := .Values.admissionPolicy.sessionUsers.users | default list -}}
{{- if include "vdi-operator.portal" . -}}
{{- $users = append $users (printf "system:serviceaccount:%s:%s" .Release.Namespace (include "vdi-operator.serviceAccountName" (dict "context" . "component" "portal"))) -}}
{{- end -}}
{{- toJson $users -}}
{{- end -}}
