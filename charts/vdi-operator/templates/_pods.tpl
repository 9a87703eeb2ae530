{{/*
Nine tenths of the memory limit, in bytes, at which Go collects its garbage whatever that
costs; takes {context, component}. Empty where there is no limit, or one that is written in a
way that this does not read. In this and what follows a component whose values have another
key than its name gives that as values.
*/}}
{{- define "vdi-operator.memoryLimit" -}}
{{- $values := get .context.Values (.values | default .component) -}}
{{- $limit := (($values.resources).limits).memory -}}
{{- /* A number of a values file is a float, whose text would be 2.147483648e+09. */}}
{{- $limit = ternary (printf "%.0f" $limit) ($limit | default "" | toString) (kindIs "float64" $limit) -}}
{{- $units := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- $unit := regexFind "[A-Za-z]*$" $limit -}}
{{- $number := trimSuffix $unit $limit -}}
{{- if and (hasKey $units $unit) (regexMatch "^[0-9]*[.]?[0-9]+$" $number) -}}
{{- with mulf (float64 $number) (get $units $unit) 0.9 | int64 -}}{{- . -}}{{- end -}}
{{- end -}}
{{- end -}}

{{/* The container's environment; takes {context, component}. */}}
{{- define "vdi-operator.env" -}}
{{- $env := (get .context.Values (.values | default .component)).extraEnv | default list -}}
{{- $named := list -}}
{{- range $env }}{{ $named = append $named .name }}{{ end -}}
{{- with include "vdi-operator.memoryLimit" . -}}
{{- if not (has "GOMEMLIMIT" $named) -}}
{{- $env = prepend $env (dict "name" "GOMEMLIMIT" "value" .) -}}
{{- end -}}
{{- end -}}
{{- with $env -}}
{{- toYaml . -}}
{{- end -}}
{{- end -}}

{{/* The least replicas of a component; takes {context, component}. */}}
{{- define "vdi-operator.leastReplicas" -}}
{{- $values := get .context.Values (.values | default .component) -}}
{{- if ($values.autoscaling).enabled -}}
{{ $values.autoscaling.minReplicas | int }}
{{- else -}}
{{ $values.replicas | int }}
{{- end -}}
{{- end -}}

{{/* Whether a component can have more than one replica; takes {context, component}. */}}
{{- define "vdi-operator.many" -}}
{{- $values := get .context.Values (.values | default .component) -}}
{{- if or (gt (include "vdi-operator.leastReplicas" . | int) 1) ($values.autoscaling).enabled }}true{{ end -}}
{{- end -}}

{{/*
How a component's pods are spread: over zones, then over nodes, and never so that one cannot
start; takes {context, component}.
*/}}
{{- define "vdi-operator.topologySpread" -}}
{{- $values := get .context.Values (.values | default .component) -}}
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

{{/* How the pods resolve names; takes {context, component}. */}}
{{- define "vdi-operator.resolving" -}}
{{- $values := get .context.Values (.values | default .component) -}}
{{- with $values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Where the pods run; takes {context, component}. */}}
{{- define "vdi-operator.scheduling" -}}
{{- $values := get .context.Values (.values | default .component) -}}
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

{{/*
The volume of the signing key's certificates alone: who checks tokens must not sign them. Those of
the next key and of former ones are there for a while, or never.
*/}}
{{- define "vdi-operator.signingCertificates" -}}
- name: signing
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ include "vdi-operator.signingSecret.name" . }}
          items:
            - {key: tls.crt, path: tls.crt}
      - secret:
          name: {{ include "vdi-operator.signingSecret.name" . }}
          optional: true
          items:
            - {key: next.crt, path: next.crt}
            - {key: former.crt, path: former.crt}
{{- end -}}
