{{/* Refuses ways of coming in that cannot work; pkg/config has the same rules. */}}
{{- define "vdi-operator.auth.guard" -}}
{{- $auth := .Values.auth -}}
{{- $oidc := $auth.oidc -}}
{{- if not (or $auth.links.enabled $oidc.issuer $auth.forwarded.userHeader) -}}
{{- fail "\n\nauth.links.enabled is false, and auth.oidc.issuer and auth.forwarded.userHeader are empty: nobody could come in. Set one of them." -}}
{{- end -}}
{{- if $oidc.issuer -}}
{{- if not $oidc.clientID -}}
{{- fail (printf "\n\nauth.oidc.issuer is %q and auth.oidc.clientID is empty. Register the portal there, with the redirect URI %s://%s/callback, and give the ID of that client." $oidc.issuer (include "vdi-operator.url.scheme" .) (include "vdi-operator.portal.host" .)) -}}
{{- end -}}
{{- range $key, $bound := dict "recheckEvery" (list "10s" "1h") "keepWhileAway" (list "0s" "24h") "signInFor" (list "1m" "720h") "leeway" (list "0s" "5m") -}}
{{- include "vdi-operator.duration.guard" (dict "key" (printf "auth.oidc.%s" $key) "value" (get $oidc $key) "least" (first $bound) "most" (last $bound) "off" "") -}}
{{- end -}}
{{- if not .Values.rbac.clusterScoped -}}
{{- fail (printf "\n\nrbac.clusterScoped is false and auth.oidc.issuer is %q, but the portal reads templates, which are the cluster's. Leave auth.oidc.issuer empty." $oidc.issuer) -}}
{{- end -}}
{{- else if $oidc.clientID -}}
{{- fail (printf "\n\nauth.oidc.clientID is %q and auth.oidc.issuer is empty. Give the provider's URL, such as https://login.example.com/realms/staff." $oidc.clientID) -}}
{{- end -}}
{{- with $auth.forwarded -}}
{{- if and .userHeader (not .from) -}}
{{- fail (printf "\n\nauth.forwarded.userHeader is %q and auth.forwarded.from is empty: everybody could say who they are. Name the networks of the proxy that sets it, such as {10.1.2.0/24}." .userHeader) -}}
{{- end -}}
{{- end -}}
{{- $namespace := .Values.portal.sessionsNamespace -}}
{{- if and (include "vdi-operator.portal" .) $namespace .Values.watchNamespaces (not (has $namespace .Values.watchNamespaces)) -}}
{{- fail (printf "\n\nportal.sessionsNamespace is %q, and watchNamespaces is %s: its sessions would be nobody's. Name one of these." $namespace (toJson .Values.watchNamespaces)) -}}
{{- end -}}
{{- end -}}
