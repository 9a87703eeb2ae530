{{/* The VDITemplates that the chart makes, as a list of {name, spec}. */}}
{{- define "vdi-operator.templates" -}}
{{- $all := .Values.templates | default list -}}
{{- if .Values.selkies.enabled -}}
{{- $spec := include "vdi-operator.selkies.spec" . | fromYaml -}}
{{- $all = prepend $all (dict "name" "selkies" "spec" (mergeOverwrite $spec (deepCopy (.Values.selkies.spec | default dict)))) -}}
{{- end -}}
{{- $made := list -}}
{{- range $all -}}
{{- $image := include "vdi-operator.imageReference" (dict "global" $.Values.global "reference" .spec.image) -}}
{{- $made = append $made (dict "name" .name "spec" (merge (dict "image" $image) .spec)) -}}
{{- end -}}
{{- toYaml $made -}}
{{- end -}}

{{- define "vdi-operator.selkies.spec" -}}
displayName: {{ .Values.selkies.displayName | quote }}
image: {{ .Values.selkies.image | quote }}
resources:
  defaultGPU: {{ .Values.selkies.defaultResources.gpu | int }}
  defaultMemory: {{ .Values.selkies.defaultResources.memory | quote }}
  defaultCPU: {{ .Values.selkies.defaultResources.cpu | quote }}
streaming:
  protocol: Selkies1
persistence:
  mountPath: /home/ubuntu
{{- with .Values.selkies.env }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
# Its image's user is 1000. So the Pod Security level restricted admits it.
podTemplate:
  spec:
    securityContext:
      runAsNonRoot: true
{{- end -}}
