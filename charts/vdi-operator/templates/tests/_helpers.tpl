{{- define "vdi-operator.check.name" -}}{{ include "vdi-operator.fullname" . }}-check{{- end -}}
