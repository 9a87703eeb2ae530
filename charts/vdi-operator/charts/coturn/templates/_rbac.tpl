{{/* The service account and its rights, where coturn reads its Node; the parent chart renders it. */}}
{{- define "coturn.rbac" -}}
{{- if include "coturn.readsNode" . }}
{{- $name := include "coturn.fullname" . }}
{{- $clusterName := printf "%s-%s" .Release.Namespace $name }}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $name }}
  namespace: {{ .Release.Namespace | quote }}
  labels:
    {{- include "coturn.labels" . | nindent 4 }}
{{- if .Values.rbac.create }}
---
# The public address of the pod's node. RBAC cannot limit this to the pod's own node.
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ $clusterName }}
  labels:
    {{- include "coturn.labels" . | nindent 4 }}
rules:
  - apiGroups: [""]
    resources: [nodes]
    verbs: [get]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ $clusterName }}
  labels:
    {{- include "coturn.labels" . | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ $clusterName }}
subjects:
  - kind: ServiceAccount
    name: {{ $name }}
    namespace: {{ .Release.Namespace | quote }}
{{- end }}
{{- end }}
{{- end -}}
