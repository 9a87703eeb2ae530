{{/*
The beginning of every object's name: the release's name, without the ending of the
chart's own name, so that the releases "vdi" and "vdi-operator" both give
vdi-operator and vdi-activator. 40 characters leave room for the endings.
*/}}
{{- define "vdi-operator.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if .Values.nameOverride -}}
{{- printf "%s-%s" .Release.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- .Release.Name | trimSuffix "-operator" | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "vdi-operator.operator.name" -}}{{ include "vdi-operator.fullname" . }}-operator{{- end -}}
{{- define "vdi-operator.activator.name" -}}{{ include "vdi-operator.fullname" . }}-activator{{- end -}}
{{- define "vdi-operator.activator.internalName" -}}{{ include "vdi-operator.activator.name" . }}-internal{{- end -}}

{{- define "vdi-operator.activator.peersName" -}}{{ include "vdi-operator.activator.name" . }}-peers{{- end -}}

{{/* The service account of the pods that keep images on nodes; in the cluster, the name of their PriorityClass. */}}
{{- define "vdi-operator.prePull.name" -}}{{ include "vdi-operator.fullname" . }}-prepull{{- end -}}

{{/* The service account of a component's pods; takes {context, component}. */}}
{{- define "vdi-operator.serviceAccountName" -}}
{{- (get .context.Values (.values | default .component)).serviceAccount.name | default (printf "%s-%s" (include "vdi-operator.fullname" .context) .component) -}}
{{- end -}}

{{- define "vdi-operator.signingSecret.name" -}}
{{- .Values.auth.signingKey.existingSecret | default (printf "%s-signing-key" (include "vdi-operator.fullname" .)) -}}
{{- end -}}

{{- define "vdi-operator.turnSecret.name" -}}
{{- .Values.turn.existingSecret | default (printf "%s-turn" (include "vdi-operator.fullname" .)) -}}
{{- end -}}

{{/* The Secrets with keysets, which the operator makes. */}}
{{- define "vdi-operator.visitsSecret.name" -}}{{ include "vdi-operator.fullname" . }}-visits{{- end -}}
{{- define "vdi-operator.portalSecret.name" -}}{{ include "vdi-operator.fullname" . }}-portal{{- end -}}

{{- define "vdi-operator.portal.name" -}}{{ include "vdi-operator.fullname" . }}-portal{{- end -}}

{{- define "vdi-operator.node.name" -}}{{ include "vdi-operator.fullname" . }}-node{{- end -}}

{{/* "true" where people sign in: the portal runs. */}}
{{- define "vdi-operator.portal" -}}
{{- if .Values.auth.oidc.issuer }}true{{ end -}}
{{- end -}}

{{/* The portal's host, beside those of sessions. */}}
{{- define "vdi-operator.portal.host" -}}
{{- .Values.portal.host | default (printf "portal.%s" .Values.ingress.domain) -}}
{{- end -}}

{{/* What selects a component's pods. It never changes: a Deployment's selector is immutable. */}}
{{- define "vdi-operator.selectorLabels" -}}
app.kubernetes.io/name: vdi-operator
app.kubernetes.io/instance: {{ .context.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/*
Labels of a component's pods. Neither the chart's version nor the program's: they would restart
pods in which nothing else has changed.
*/}}
{{- define "vdi-operator.podLabels" -}}
{{ include "vdi-operator.selectorLabels" . }}
app.kubernetes.io/part-of: vdi-operator
{{- end -}}

{{/* Labels of every object; takes {context, component}, and the object's own labels as more. */}}
{{- define "vdi-operator.labels" -}}
{{- $own := include "vdi-operator.ownLabels" . -}}
{{ $own }}
{{- include "vdi-operator.furtherLabels" (dict "own" $own "further" (list .more .context.Values.commonLabels)) }}
{{- end -}}

{{- define "vdi-operator.ownLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .context.Chart.Name .context.Chart.Version | replace "+" "_" }}
{{ include "vdi-operator.podLabels" . }}
app.kubernetes.io/version: {{ .context.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .context.Release.Service }}
{{- end -}}

{{/*
What values add to the chart's own labels; takes {own, further}: own as text, further a list of
maps, of which the first wins. The chart's own stay as they are, because objects are found by
them, and a key that is there twice is refused by what applies the objects.
*/}}
{{- define "vdi-operator.furtherLabels" -}}
{{- $own := .own | fromYaml -}}
{{- $more := dict -}}
{{- range .further -}}
{{- range $key, $value := . -}}
{{- if not (or (hasKey $own $key) (hasKey $more $key)) -}}{{- $_ := set $more $key $value -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- with $more }}
{{ toYaml . }}
{{- end -}}
{{- end -}}

{{/*
"true" where Helm has a cluster, and empty where it only renders. lookup returns a list with
its kind even if the list is empty, and people who install may list service accounts.
*/}}
{{- define "vdi-operator.cluster" -}}
{{- if lookup "v1" "ServiceAccount" .Release.Namespace "" }}true{{ end -}}
{{- end -}}

{{/*
Cluster-scoped objects carry the namespace too, so that releases of one name in two
namespaces do not share them; takes {context, name}.
*/}}
{{- define "vdi-operator.clusterName" -}}
{{ .context.Release.Namespace }}-{{ .name }}
{{- end -}}
