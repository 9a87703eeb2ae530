{{/*
A reference to an image, of global.imageRegistry where that is set; takes {global,
reference}. As for container runtimes, the text before the first slash is a registry
if it has a dot or a colon or is "localhost".
*/}}
{{- define "vdi-operator.imageReference" -}}
{{- $registry := ((.global).imageRegistry) | default "" | trimSuffix "/" -}}
{{- if $registry -}}
{{- $first := splitList "/" .reference | first -}}
{{- $hasRegistry := and (contains "/" .reference) (or (contains "." $first) (contains ":" $first) (eq $first "localhost")) -}}
{{- printf "%s/%s" $registry (ternary (trimPrefix (printf "%s/" $first) .reference) .reference $hasRegistry) -}}
{{- else -}}
{{- .reference -}}
{{- end -}}
{{- end -}}

{{/*
The tag of one of this product's own images; takes {context, image}. A version is written
without the v that tags in Git begin with.
*/}}
{{- define "vdi-operator.tag" -}}
{{- $tag := .image.tag | default (.context.Values.image).tag | default .context.Chart.AppVersion -}}
{{- regexReplaceAll "^v([0-9]+[.][0-9]+[.][0-9]+)" $tag "${1}" -}}
{{- end -}}

{{/* One of this product's own images; takes {context, image}. A digest wins over a tag. */}}
{{- define "vdi-operator.image" -}}
{{- $repository := include "vdi-operator.imageReference" (dict "global" .context.Values.global "reference" .image.repository) -}}
{{- if .image.digest -}}
{{ $repository }}@{{ .image.digest }}
{{- else -}}
{{ $repository }}:{{ include "vdi-operator.tag" . }}
{{- end -}}
{{- end -}}

{{/* The Secrets for pulling images, of all charts and of this one; empty where there are none. */}}
{{- define "vdi-operator.imagePullSecrets" -}}
{{- with concat ((.Values.global).imagePullSecrets | default list) (.Values.imagePullSecrets | default list) | uniq -}}
{{- toYaml . -}}
{{- end -}}
{{- end -}}
