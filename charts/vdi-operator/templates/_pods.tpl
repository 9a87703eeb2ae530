{{/* Both programs are static binaries that write nothing to disk. */}}
{{- define "vdi-operator.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
# Makes the mounted Secrets, which only owner and group may read, readable.
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "vdi-operator.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* The least replicas of a component; takes {context, component}. */}}
{{- define "vdi-operator.leastReplicas" -}}
{{- $values := get .context.Values .component -}}
{{- if ($values.autoscaling).enabled -}}
{{ $values.autoscaling.minReplicas | int }}
{{- else -}}
{{ $values.replicas | int }}
{{- end -}}
{{- end -}}

{{/* Whether a component can have more than one replica; takes {context, component}. */}}
{{- define "vdi-operator.many" -}}
{{- $values := get .context.Values .component -}}
{{- if or (gt (include "vdi-operator.leastReplicas" . | int) 1) ($values.autoscaling).enabled }}true{{ end -}}
{{- end -}}

{{/*
How a component's pods are spread: over zones, then over nodes, and never so that one cannot
start; takes {context, component}.
*/}}
{{- define "vdi-operator.topologySpread" -}}
{{- $values := get .context.Values .component -}}
{{- $selector := dict "matchLabels" (include "vdi-operator.selectorLabels" . | fromYaml) -}}
{{- $constraints := list -}}
{{- range $values.topologySpreadConstraints -}}
{{- $constraints = append $constraints (merge (deepCopy .) (dict "labelSelector" $selector)) -}}
{{- else -}}
{{- if include "vdi-operator.many" . -}}
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" -}}
{{- $constraints = append $constraints (dict "maxSkew" 1 "topologyKey" . "whenUnsatisfiable" "ScheduleAnyway" "labelSelector" $selector) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with $constraints -}}
{{- toYaml . -}}
{{- end -}}
{{- end -}}

{{/* Where the pods run; takes {context, component}. */}}
{{- define "vdi-operator.scheduling" -}}
{{- $values := get .context.Values .component -}}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "vdi-operator.topologySpread" . }}
topologySpreadConstraints:
  {{- . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}
