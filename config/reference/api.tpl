{{- define "gvList" -}}
# API reference

Every field of `VDITemplate`, `VDISession` and `VDISignIn`, as `kubectl explain vditemplate.spec` has them too. What the words mean is in
[concepts](concepts.md), what a reason says in [troubleshooting](troubleshooting.md#what-a-reason-says).
{{- range $gv := . }}
{{- range .SortedKinds }}{{ template "type" ($gv.TypeForKind .) }}{{ end }}
{{- range .SortedTypes }}{{ if not .GVK }}{{ template "type" . }}{{ end }}{{ end }}
{{- end }}
{{ end -}}

{{- define "type" -}}
{{- if markdownShouldRenderType . }}

## {{ .Name }}

{{ .Doc }}
{{- with .SortedReferences }}

In: {{ range $i, $r := . }}{{ if $i }}, {{ end }}{{ markdownRenderTypeLink $r }}{{ end }}.
{{- end }}
{{- if .EnumValues }}

| value | meaning |
| --- | --- |
{{- range .EnumValues }}
| `{{ .Name }}` | {{ template "text" (regexReplaceAll "^\\w+ (says that )?" .Doc "") }} |
{{- end }}
{{- else if and .Members (ne .Name "Duration") }}

| field | type | default | description |
| --- | --- | --- | --- |
{{- range .Members }}
| `{{ .Name }}` | {{ template "typename" . }} | {{ template "default" . }} | {{ template "description" . }}{{ template "bounds" . }} |
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* Types of ours are links. */ -}}
{{- define "typename" -}}
{{ regexReplaceAll "\\[(\\w+)\\]\\(http[^)]*\\)" (markdownRenderType .Type) "${1}" }}
{{- end -}}

{{- define "default" -}}
{{- if .Default -}}
`{{ .Default | replace " " "" }}`
{{- else if not (or (has "Optional: {}" .Validation) (eq .Name "metadata")) -}}
required
{{- end -}}
{{- end -}}

{{- /* Lengths and rules are left out: who breaks one is told. */ -}}
{{- define "bounds" -}}
{{- range .Validation }}{{ if regexMatch "^(Minimum|Maximum|MaxItems): " . }} {{ . }}.{{ end }}{{ end -}}
{{- end -}}

{{- define "description" -}}
{{- if eq .Name "metadata" -}}
Name, namespace, labels and annotations.
{{- else -}}
{{ template "text" (.Doc | default .Type.Doc | default (.Type.UnderlyingType | default dict).Doc) }}
{{- end -}}
{{- end -}}

{{- /* A comment in a cell: one line, without what Markdown or a table would take for its own. */ -}}
{{- define "text" -}}
{{ regexReplaceAll "\\s+" . " " | replace "|" "\\|" | replace "<" "&lt;" | trim }}
{{- end -}}
