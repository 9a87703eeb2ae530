{{/*
The operator's rules that this installation needs; takes {context, roles, which}, roles
being the text of files/rbac/role.yaml, and gives a list, or nothing.
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
{{- range regexSplit "(?m)^---\\n" .roles -1 -}}
{{- $role := fromYaml . -}}
{{- if and $role (eq (dig "metadata" "namespace" "" $role) (get $wanted $which)) -}}
{{- range $rule := $role.rules -}}
{{- range $group := $rule.apiGroups -}}
{{- range $resource := $rule.resources -}}
{{- $verbs := include "vdi-operator.operator.verbs" (dict "context" $ "which" $which "group" $group "resource" $resource "verbs" $rule.verbs) | fromJsonArray -}}
{{- if $verbs -}}
{{- $one := dict "apiGroups" (list $group) "resources" (list $resource) "verbs" $verbs -}}
{{- if $rule.resourceNames -}}{{- $_ := set $one "resourceNames" $rule.resourceNames -}}{{- end -}}
{{- $rules = append $rules $one -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with $rules -}}
{{- toYaml . -}}
{{- end -}}
{{- end -}}

{{/*
The verbs of a rule that this installation needs, as JSON; takes {context, which, group,
resource, verbs}.
*/}}
{{- define "vdi-operator.operator.verbs" -}}
{{- $verbs := .verbs -}}
{{- $base := splitList "/" .resource | first -}}
{{- $ofCluster := has $base (list "vditemplates" "nodes" "persistentvolumes" "storageclasses" "runtimeclasses" "priorityclasses" "customresourcedefinitions") -}}
{{- if and (has .which (list "namespaced" "cluster")) (ne $ofCluster (eq .which "cluster")) -}}
{{- $verbs = list -}}
{{- else if and (eq $base "namespaces") (not .context.Values.watchNamespaces) -}}
{{- /* Only rights that a namespace's deletion takes away make it matter. */ -}}
{{- $verbs = list -}}
{{- else if and (eq .which "system") (not (.context.Values.prePull).enabled) (has $base (list "daemonsets" "serviceaccounts")) -}}
{{- $verbs = list -}}
{{- else if and (eq .which "system") (eq $base "pods") (not (.context.Values.doze).enabled) -}}
{{- /* prePull lists its own; a watch is for the programs that freeze desktops. */}}
{{- $verbs = ternary (without $verbs "watch") list (eq true (.context.Values.prePull).enabled) -}}
{{- else if and (eq .which "knative") (not .context.Values.knative.applyConfig) (ne .group "apps") -}}
{{- /* The operator checks Knative's health and leaves its configuration alone. */ -}}
{{- $verbs = list -}}
{{- else if and (not .context.Values.knative.enabled) (hasSuffix "knative.dev" .group) -}}
{{- /* Services left from when desktops ran on Knative are deleted when they next sleep. */ -}}
{{- $kept := ternary (list "get" "list" "delete") list (and (eq .group "serving.knative.dev") (eq .resource "services")) -}}
{{- $some := list -}}
{{- range $verbs -}}{{- if has . $kept -}}{{- $some = append $some . -}}{{- end -}}{{- end -}}
{{- $verbs = $some -}}
{{- else if and .context.Values.knative.enabled (eq .which "namespaced") (eq .group "apps") (eq .resource "deployments") -}}
{{- /* Knative creates them. Those left from running without Knative can still be deleted. */ -}}
{{- $verbs = without $verbs "create" "update" "patch" -}}
{{- end -}}
{{- toJson $verbs -}}
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
{{- $account := (get .context.Values (.values | default .component)).serviceAccount }}
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
{{- $args := dict "context" .context "component" .component "values" .values }}
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
