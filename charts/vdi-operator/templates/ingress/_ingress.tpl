{{/*
What the kinds of ingress objects share. Templates use these instead of url.scheme and
url.port, which may be empty and are then derived.
*/}}

{{/* "true" where one of the ways of TLS is configured. */}}
{{- define "vdi-operator.ingress.tls" -}}
{{- $tls := .Values.ingress.tls -}}
{{- if or $tls.secretName $tls.certManager.issuer.name $tls.defaultCertificate $tls.atLoadBalancer -}}true{{- end -}}
{{- end -}}

{{/* "true" where TLS ends at the controller that serves this chart's object. */}}
{{- define "vdi-operator.ingress.tlsHere" -}}
{{- $tls := .Values.ingress.tls -}}
{{- if or $tls.secretName $tls.certManager.issuer.name $tls.defaultCertificate -}}true{{- end -}}
{{- end -}}

{{- define "vdi-operator.url.scheme" -}}
{{- .Values.url.scheme | default (ternary "https" "http" (eq (include "vdi-operator.ingress.tls" .) "true")) -}}
{{- end -}}

{{/*
8080 is for the port-forward of an installation without an ingress, which uses localhost.
All others use the scheme's default port, which is 0.
*/}}
{{- define "vdi-operator.url.port" -}}
{{- if or (kindIs "string" .Values.url.port) (kindIs "invalid" .Values.url.port) -}}
{{- $local := regexMatch "(^|\\.)localhost$" .Values.ingress.domain -}}
{{- ternary 8080 0 (and $local (not .Values.ingress.enabled)) -}}
{{- else -}}
{{- .Values.url.port | int -}}
{{- end -}}
{{- end -}}

{{/* A host's URL, without a slash at its end, as pkg/config.URL writes it; takes {context, host}. */}}
{{- define "vdi-operator.url.origin" -}}
{{- $port := include "vdi-operator.url.port" .context | int -}}
{{- include "vdi-operator.url.scheme" .context }}://{{ .host }}{{ ternary "" (printf ":%d" $port) (eq $port 0) }}
{{- end -}}

{{/* A session's URL; takes {context, label}. */}}
{{- define "vdi-operator.url.session" -}}
{{- $domain := .context.Values.ingress.domain -}}
{{- if eq .context.Values.url.routing "path" -}}
{{- include "vdi-operator.url.origin" (dict "context" .context "host" $domain) }}/{{ .label }}/
{{- else -}}
{{- include "vdi-operator.url.origin" (dict "context" .context "host" (printf "%s.%s" .label $domain)) }}/
{{- end -}}
{{- end -}}

{{/* The portal's URL, without a slash at its end. */}}
{{- define "vdi-operator.portal.url" -}}
{{- include "vdi-operator.url.origin" (dict "context" . "host" (include "vdi-operator.portal.host" .)) -}}
{{- end -}}

{{/* The host of this chart's object: a wildcard, or one host that has sessions as paths. */}}
{{- define "vdi-operator.ingress.host" -}}
{{- if ne .Values.url.routing "path" -}}*.{{- end -}}{{ .Values.ingress.domain }}
{{- end -}}

{{/*
All hosts of this chart's object, as JSON: the portal's too, where the wildcard does not cover it.
*/}}
{{- define "vdi-operator.ingress.hosts" -}}
{{- $host := include "vdi-operator.ingress.host" . -}}
{{- $hosts := list $host -}}
{{- if include "vdi-operator.portal" . -}}
{{- $portal := include "vdi-operator.portal.host" . -}}
{{- $covered := and (hasPrefix "*." $host) (eq (regexReplaceAll "^[^.]+[.]" $portal "") .Values.ingress.domain) -}}
{{- if not $covered -}}{{- $hosts = append $hosts $portal -}}{{- end -}}
{{- end -}}
{{- toJson $hosts -}}
{{- end -}}

{{- define "vdi-operator.ingress.controller" -}}
{{- $class := .Values.ingress.className | default "" | lower -}}
{{- /* The controller before the load balancer that it may be named after, as in "traefik-alb". */}}
{{- $known := regexFind "nginx|traefik|haproxy|contour" $class | default (regexFind "\\b(gce|alb)\\b" $class) -}}
{{- /* GatewayClasses of GKE. */}}
{{- if hasPrefix "gke-" $class }}{{ $known = "gce" }}{{ end -}}
{{- .Values.ingress.controller | default $known -}}
{{- end -}}

{{/*
How long the proxy in front keeps a connection to the activator open for another request, and
somewhat more: a request into a connection that is being closed ends with 502. Google keeps
it for 600 s; an ALB for its idle timeout, which is set below; Envoy, which is Contour's,
Istio's, Cilium's and most Gateways', for an hour; nginx, Traefik and HAProxy for 90 s at most.
*/}}
{{- define "vdi-operator.activator.keepAliveSeconds" -}}
{{- if or (kindIs "string" .Values.activator.keepAliveSeconds) (kindIs "invalid" .Values.activator.keepAliveSeconds) -}}
{{- $controller := include "vdi-operator.ingress.controller" . -}}
{{- if eq $controller "gce" -}}
620
{{- else if or (has $controller (list "alb" "contour")) (regexMatch "istio|envoy|cilium" (.Values.ingress.className | default "")) (and (not $controller) (eq .Values.ingress.type "HTTPRoute")) -}}
3700
{{- else -}}
180
{{- end -}}
{{- else -}}
{{- .Values.activator.keepAliveSeconds | int64 -}}
{{- end -}}
{{- end -}}

{{/*
How long it takes until nobody sends new connections to a pod that ends: load balancers outside
the cluster need a minute, what watches the cluster's API seconds.
*/}}
{{- define "vdi-operator.activator.shutdownDelaySeconds" -}}
{{- if or (kindIs "string" .Values.activator.shutdownDelaySeconds) (kindIs "invalid" .Values.activator.shutdownDelaySeconds) -}}
{{- $needs := ternary 60 15 (has (include "vdi-operator.ingress.controller" .) (list "gce" "alb")) -}}
{{- min $needs (div (.Values.activator.terminationGracePeriodSeconds | int64) 3) -}}
{{- else -}}
{{- .Values.activator.shutdownDelaySeconds | int64 -}}
{{- end -}}
{{- end -}}

{{/* The Secret with the certificate; empty for the controller's own or for none. */}}
{{- define "vdi-operator.ingress.secretName" -}}
{{- with .Values.ingress.tls -}}
{{- if .secretName -}}
{{- .secretName -}}
{{- else if .certManager.issuer.name -}}
{{- include "vdi-operator.activator.name" $ }}-tls
{{- end -}}
{{- end -}}
{{- end -}}

{{/* cert-manager's annotations, which let it make the certificate of an object by itself. */}}
{{- define "vdi-operator.ingress.issuerAnnotations" -}}
{{- with .Values.ingress.tls.certManager -}}
{{- if and .issuer.name (not .certificate) -}}
{{- if eq .issuer.kind "ClusterIssuer" }}
cert-manager.io/cluster-issuer: {{ .issuer.name | quote }}
{{- else }}
cert-manager.io/issuer: {{ .issuer.name | quote }}
{{- if ne .issuer.kind "Issuer" }}
cert-manager.io/issuer-kind: {{ .issuer.kind | quote }}
{{- end }}
{{- end }}
{{- if ne .issuer.group "cert-manager.io" }}
cert-manager.io/issuer-group: {{ .issuer.group | quote }}
{{- end }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
What each controller needs for an Ingress whose connections stay open for hours.
Where a controller has no annotation for it, docs/ingress.md says what to set instead.
*/}}
{{- define "vdi-operator.ingress.controllerAnnotations" -}}
{{- $controller := include "vdi-operator.ingress.controller" . -}}
{{- if eq $controller "nginx" }}
nginx.ingress.kubernetes.io/proxy-read-timeout: "3600"
nginx.ingress.kubernetes.io/proxy-send-timeout: "3600"
nginx.ingress.kubernetes.io/proxy-buffering: "off"
nginx.ingress.kubernetes.io/proxy-request-buffering: "off"
# Uploads to desktops have no limit here.
nginx.ingress.kubernetes.io/proxy-body-size: "0"
{{- else if eq $controller "traefik" }}
{{- with .Values.ingress.traefik.entryPoints }}
traefik.ingress.kubernetes.io/router.entrypoints: {{ join "," . | quote }}
{{- end }}
{{- if include "vdi-operator.ingress.tlsHere" . }}
traefik.ingress.kubernetes.io/router.tls: "true"
{{- end }}
{{- $middlewares := list }}
{{- range .Values.ingress.traefik.middlewares }}
{{- $middlewares = append $middlewares (printf "%s-%s@kubernetescrd" (.namespace | default $.Release.Namespace) .name) }}
{{- end }}
{{- with $middlewares }}
traefik.ingress.kubernetes.io/router.middlewares: {{ join "," . | quote }}
{{- end }}
{{- else if eq $controller "haproxy" }}
# HAProxy Technologies' controller, whose tunnels' timeout is in its ConfigMap only; and
# the community's.
haproxy.org/timeout-server: 1h
haproxy-ingress.github.io/timeout-server: 1h
haproxy-ingress.github.io/timeout-tunnel: 24h
{{- else if eq $controller "contour" }}
projectcontour.io/websocket-routes: /
projectcontour.io/response-timeout: infinity
{{- else if eq $controller "gce" }}
# GKE does not know spec.ingressClassName.
kubernetes.io/ingress.class: {{ .Values.ingress.className | default "gce" | quote }}
{{- else if eq $controller "alb" }}
alb.ingress.kubernetes.io/target-type: ip
alb.ingress.kubernetes.io/load-balancer-attributes: idle_timeout.timeout_seconds=3600
alb.ingress.kubernetes.io/target-group-attributes: deregistration_delay.timeout_seconds={{ min 3600 (.Values.activator.terminationGracePeriodSeconds | int64) }}
# No session is at the root of the balancer's address, and the check has no other.
alb.ingress.kubernetes.io/healthcheck-port: "9090"
alb.ingress.kubernetes.io/healthcheck-path: /readyz
{{- if eq (include "vdi-operator.url.scheme" .) "https" }}
alb.ingress.kubernetes.io/listen-ports: '[{"HTTPS": 443}]'
{{- end }}
{{- end }}
{{- end -}}

{{/* Annotations of the object of ingress.type. The user's win. */}}
{{- define "vdi-operator.ingress.annotations" -}}
{{- $all := dict -}}
{{- if eq .Values.ingress.type "Ingress" -}}
{{- $all = merge $all (include "vdi-operator.ingress.controllerAnnotations" . | fromYaml) (include "vdi-operator.ingress.issuerAnnotations" . | fromYaml) -}}
{{- else if and (eq .Values.ingress.type "IngressRoute") .Values.ingress.className -}}
{{- $_ := set $all "kubernetes.io/ingress.class" .Values.ingress.className -}}
{{- end -}}
{{- with mergeOverwrite $all .Values.ingress.annotations -}}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{- define "vdi-operator.ingress.metadata" -}}
name: {{ include "vdi-operator.activator.name" . }}
namespace: {{ .Release.Namespace | quote }}
labels:
  {{- include "vdi-operator.labels" (dict "context" . "component" "ingress" "more" .Values.ingress.labels) | nindent 2 }}
{{- end -}}

{{/* Annotations that the activator's Service needs for its ingress. */}}
{{- define "vdi-operator.ingress.serviceAnnotations" -}}
{{- if and .Values.ingress.enabled (eq .Values.ingress.type "Ingress") (eq (include "vdi-operator.ingress.controller" .) "gce") -}}
cloud.google.com/neg: '{"ingress": true}'
cloud.google.com/backend-config: '{"default": {{ include "vdi-operator.activator.name" . | quote }}}'
{{- end -}}
{{- end -}}
