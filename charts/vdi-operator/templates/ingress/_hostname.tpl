{{/*
Refuses what is no host's name, with what to write in its place; takes {key, value, example,
address}: address says why an IP address is none, and is empty where one is as good.
*/}}
{{- define "vdi-operator.hostName.guard" -}}
{{- $is := printf "\n\n%s is %q" .key .value -}}
{{- /* A browser takes a name for an address by its last part: https://url.spec.whatwg.org/#ends-in-a-number-checker. */ -}}
{{- if and .address (or (regexMatch "(^|[.])([0-9]+|0x[0-9a-fA-F]*)[.]?$" .value) (regexMatch "^\\[?[0-9a-fA-F]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.]*\\]?$" .value)) -}}
{{- fail (printf "%s: %s." $is .address) -}}
{{- end -}}
{{- if contains "://" .value -}}
{{- fail (printf "%s: give the bare domain, such as %q, and the scheme in url.scheme." $is (regexReplaceAll "^[a-z]+://(\\*\\.)?|[:/].*$" .value "")) -}}
{{- end -}}
{{- if contains "*" .value -}}
{{- fail (printf "%s: give it without the wildcard, such as %q. The chart adds *. where it is needed." $is (.value | replace "*." "" | replace "*" "")) -}}
{{- end -}}
{{- if contains ":" .value -}}
{{- fail (printf "%s: give it without the port, and the port in url.port." $is) -}}
{{- end -}}
{{- if not (regexMatch "^[ -~]*$" .value) -}}
{{- fail (printf "%s: give its ASCII form, whose labels begin with \"xn--\". \"idn2 %s\" prints it." $is .value) -}}
{{- end -}}
{{- $plain := .value | lower | trimAll "." | replace "_" "-" -}}
{{- if ne $plain .value -}}
{{- fail (printf "%s: host names are in lower case, without underscores and without a dot at an end. Give one such as %q." $is $plain) -}}
{{- end -}}
{{- if not (regexMatch "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$" .value) -}}
{{- fail (printf "%s: give a domain such as %q, with 63 characters at most between two dots." $is .example) -}}
{{- end -}}
{{- end -}}
