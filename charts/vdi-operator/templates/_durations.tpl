{{/* A duration's seconds, as a number in text. */}}
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
{{- if not (regexMatch "^([0-9]+([.][0-9]+)?(ms|s|m|h))+$" .value) -}}
{{- fail (printf "\n\n%s is %q, which is no duration. Write it with h, m, s or ms, such as 24h, 1h30m or 90s." .key .value) -}}
{{- end -}}
{{- $seconds := include "vdi-operator.seconds" .value | float64 -}}
{{- if not (and .off (eq $seconds 0.0)) -}}
{{- if or (lt $seconds (include "vdi-operator.seconds" .least | float64)) (gt $seconds (include "vdi-operator.seconds" .most | float64)) -}}
{{- fail (printf "\n\n%s is %s. Set it to between %s and %s%s." .key .value .least .most (ternary (printf ", or to 0s, which %s" .off) "" (not (empty .off)))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
