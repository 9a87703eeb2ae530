{{/* How a Service is reached, by its values: those of the activator, or of coturn. */}}
{{- define "vdi-operator.service.reach" -}}
type: {{ .type }}
{{- with .ipFamilyPolicy }}
ipFamilyPolicy: {{ . }}
{{- end }}
{{- with .ipFamilies }}
ipFamilies: {{ toJson . }}
{{- end }}
{{- with .externalTrafficPolicy }}
externalTrafficPolicy: {{ . }}
{{- end }}
{{- with .loadBalancerIP }}
loadBalancerIP: {{ . | quote }}
{{- end }}
{{- with .loadBalancerClass }}
loadBalancerClass: {{ . | quote }}
{{- end }}
{{- with .loadBalancerSourceRanges }}
loadBalancerSourceRanges:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Refuses what a Service of its type has no use for; takes {key, service}. */}}
{{- define "vdi-operator.service.guard" -}}
{{- range $field := list "loadBalancerIP" "loadBalancerClass" "loadBalancerSourceRanges" "externalTrafficPolicy" -}}
{{- $types := ternary (list "LoadBalancer" "NodePort") (list "LoadBalancer") (eq $field "externalTrafficPolicy") -}}
{{- with get $.service $field -}}
{{- if not (has $.service.type $types) -}}
{{- fail (printf "\n\n%s.%s is %s, and %s.type is %s, which has no use for it. Set %s.type=%s, or leave it empty." $.key $field (toJson .) $.key $.service.type $.key (first $types)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $families := .service.ipFamilies | default list -}}
{{- if and (gt (len $families) 1) (has (.service.ipFamilyPolicy | default "") (list "" "SingleStack")) -}}
{{- fail (printf "\n\n%s.ipFamilies is %s, and %s.ipFamilyPolicy is %q, which allows one. Set %s.ipFamilyPolicy=PreferDualStack, or name one family." .key (toJson $families) .key (.service.ipFamilyPolicy | default "") .key) -}}
{{- end -}}
{{- end -}}
