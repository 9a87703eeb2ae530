{{/* A duration's seconds, as a number in text. The schema has seen that it is a duration. */}}
{{- define "vdi-operator.seconds" -}}
{{- $sum := 0.0 -}}
{{- range regexFindAll "[0-9.]+(ms|s|m|h)" . -1 -}}
{{- $unit := regexFind "[a-z]+" . -}}
{{- $sum = addf $sum (mulf (float64 (trimSuffix $unit .)) (get (dict "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0) $unit)) -}}
{{- end -}}
{{- $sum -}}
{{- end -}}

{{/*
Refuses a duration that the programs would refuse; takes {key, value, least, most, off}: least
and most as durations, and what 0s does, where it is allowed below least.
*/}}
{{- define "vdi-operator.duration.guard" -}}
{{- $seconds := include "vdi-operator.seconds" .value | float64 -}}
{{- if not (and .off (eq $seconds 0.0)) -}}
{{- if or (lt $seconds (include "vdi-operator.seconds" .least | float64)) (gt $seconds (include "vdi-operator.seconds" .most | float64)) -}}
{{- fail (printf "\n\n%s is %s. Set it to between %s and %s%s." .key .value .least .most (ternary (printf ", or to 0s, which %s" .off) "" (not (empty .off)))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
