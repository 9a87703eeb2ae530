{{/*
The operator's rules, generated from the markers in its code (files/rbac/role.yaml), as
this installation needs them; takes {context, which} and gives a list, or nothing.
  namespaced  what it does in the namespaces of sessions
  cluster     what belongs to no namespace
  knative     what it does in Knative Serving's namespace
  system      what it does in its own namespace
*/}}
{{- define "vdi-operator.operator.rules" -}}
{{- $ := .context -}}
{{- $which := .which -}}
{{- $wanted := dict "namespaced" "" "cluster" "" "knative" "knative-serving" "system" "vdi-system" -}}
{{- $rules := list -}}
{{- range regexSplit "(?m)^---\\n" ($.Files.Get "files/rbac/role.yaml") -1 -}}
{{- $role := fromYaml . -}}
{{- if and $role (eq (dig "metadata" "namespace" "" $role) (get $wanted $which)) -}}
{{- range $rule := $role.rules -}}
{{- if and $rule.apiGroups (not $.Values.knative.enabled) -}}
{{- /* Without Knative its objects are not there. */ -}}
{{- $groups := list -}}
{{- range $rule.apiGroups -}}
{{- if not (hasSuffix "knative.dev" .) -}}{{- $groups = append $groups . -}}{{- end -}}
{{- end -}}
{{- $_ := set $rule "apiGroups" $groups -}}
{{- end -}}
{{- if or (eq $which "namespaced") (eq $which "cluster") -}}
{{- $resources := list -}}
{{- range $rule.resources -}}
{{- $scoped := has (splitList "/" . | first) (list "vditemplates" "namespaces" "nodes" "persistentvolumes" "storageclasses" "runtimeclasses" "priorityclasses" "customresourcedefinitions") -}}
{{- if eq $scoped (eq $which "cluster") -}}{{- $resources = append $resources . -}}{{- end -}}
{{- end -}}
{{- $_ := set $rule "resources" $resources -}}
{{- end -}}
{{- if and $rule.apiGroups $rule.resources -}}{{- $rules = append $rules $rule -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with $rules -}}
{{- toYaml . -}}
{{- end -}}
{{- end -}}

{{/*
A role and its binding to a component's service account; takes {context, component, name,
namespace, rules}, the rules as text. Without a namespace both belong to the cluster.
Nothing where there are no rules.
*/}}
{{- define "vdi-operator.role" -}}
{{- if and .rules .context.Values.rbac.create }}
{{- $kind := ternary "Role" "ClusterRole" (not (empty .namespace)) }}
{{- $labels := include "vdi-operator.labels" (dict "context" .context "component" .component) }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . | quote }}
  {{- end }}
  labels:
    {{- $labels | nindent 4 }}
rules:
  {{- .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}Binding
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . | quote }}
  {{- end }}
  labels:
    {{- $labels | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $kind }}
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ include "vdi-operator.serviceAccountName" . }}
    namespace: {{ .context.Release.Namespace | quote }}
{{- end }}
{{- end -}}

{{/* A component's service account; takes {context, component}. */}}
{{- define "vdi-operator.serviceAccount" -}}
{{- $account := (get .context.Values .component).serviceAccount }}
{{- if $account.create }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "vdi-operator.serviceAccountName" . }}
  namespace: {{ .context.Release.Namespace | quote }}
  labels:
    {{- include "vdi-operator.labels" . | nindent 4 }}
  {{- with $account.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/*
The rules of a component in the namespaces of sessions, as one ClusterRole or as a Role
in each of watchNamespaces; takes {context, component, namespaced, cluster}.
*/}}
{{- define "vdi-operator.sessionRoles" -}}
{{- $name := printf "%s-%s" (include "vdi-operator.fullname" .context) .component }}
{{- $clusterName := include "vdi-operator.clusterName" (dict "context" .context "name" $name) }}
{{- $args := dict "context" .context "component" .component }}
{{- if .context.Values.watchNamespaces }}
{{- if .context.Values.rbac.clusterScoped }}
{{- include "vdi-operator.role" (merge (dict "name" $clusterName "rules" .cluster) $args) }}
{{- end }}
{{- range .context.Values.watchNamespaces }}
{{- include "vdi-operator.role" (merge (dict "name" (printf "%s-sessions" $clusterName) "namespace" . "rules" $.namespaced) $args) }}
{{- end }}
{{- else }}
{{- include "vdi-operator.role" (merge (dict "name" $clusterName "rules" (list .namespaced .cluster | compact | join "\n")) $args) }}
{{- end }}
{{- end -}}
