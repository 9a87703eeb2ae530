{{/* Refuses ways of coming in that cannot work; pkg/config has the same rules. */}}
{{- define "vdi-operator.auth.guard" -}}
{{- $auth := .Values.auth -}}
{{- $oidc := $auth.oidc -}}
{{- if not (or $auth.links.enabled $oidc.issuer $auth.forwarded.userHeader) -}}
{{- fail "\n\nauth.links.enabled is false, and auth.oidc.issuer and auth.forwarded.userHeader are empty: nobody could come in. Set one of them." -}}
{{- end -}}
{{- range $key, $bound := dict "recheckEvery" (list "10s" "1h") "keepWhileAway" (list "0s" "24h") "signInFor" (list "1m" "720h") "unconfirmedFor" (list "10m" "720h") "leeway" (list "0s" "5m") -}}
{{- include "vdi-operator.duration.guard" (dict "key" (printf "auth.oidc.%s" $key) "value" (get $oidc $key) "least" (first $bound) "most" (last $bound) "off" "") -}}
{{- end -}}
{{- if $oidc.issuer -}}
{{- if not $oidc.clientID -}}
{{- fail (printf "\n\nauth.oidc.issuer is %q and auth.oidc.clientID is empty. Register the portal there, with the redirect URI %s/callback, and give the ID of that client." $oidc.issuer (include "vdi-operator.portal.url" .)) -}}
{{- end -}}
{{- include "vdi-operator.issuer.guard" (dict "key" "auth.oidc.issuer" "url" $oidc.issuer) -}}
{{- include "vdi-operator.portal.host.guard" . -}}
{{- if not .Values.rbac.clusterScoped -}}
{{- fail (printf "\n\nrbac.clusterScoped is false and auth.oidc.issuer is %q, but the portal reads templates, which are the cluster's. Leave auth.oidc.issuer empty." $oidc.issuer) -}}
{{- end -}}
{{- else if $oidc.clientID -}}
{{- fail (printf "\n\nauth.oidc.clientID is %q and auth.oidc.issuer is empty. Give the provider's URL, such as https://login.example.com/realms/staff." $oidc.clientID) -}}
{{- end -}}
{{- include "vdi-operator.duration.guard" (dict "key" "auth.keys.rotateEvery" "value" $auth.keys.rotateEvery "least" "168h" "most" "8760h" "off" "replaces no key by its age") -}}
{{- range $auth.issuers -}}
{{- include "vdi-operator.issuer.guard" (dict "key" "auth.issuers" "url" .url) -}}
{{- end -}}
{{- with $auth.forwarded -}}
{{- range $key, $header := pick . "userHeader" "groupsHeader" -}}
{{- if has (lower (toString $header)) (list "authorization" "cookie" "host" "x-forwarded-for") -}}
{{- fail (printf "\n\nauth.forwarded.%s is %q, which every browser or proxy sends. Name a header field that only the proxy sets, such as X-Forwarded-Email." $key $header) -}}
{{- end -}}
{{- end -}}
{{- range .from -}}
{{- if hasSuffix "/0" . -}}
{{- fail (printf "\n\nauth.forwarded.from has %q, which is everybody: all could say who they are. Name the networks of the proxy alone, such as {10.1.2.0/24}." .) -}}
{{- end -}}
{{- end -}}
{{- if and .userHeader (not .from) -}}
{{- fail (printf "\n\nauth.forwarded.userHeader is %q and auth.forwarded.from is empty: everybody could say who they are. Name the networks of the proxy that sets it, such as {10.1.2.0/24}." .userHeader) -}}
{{- end -}}
{{- end -}}
{{- $namespace := .Values.portal.sessionsNamespace -}}
{{- if and (include "vdi-operator.portal" .) $namespace .Values.watchNamespaces (not (has $namespace .Values.watchNamespaces)) -}}
{{- fail (printf "\n\nportal.sessionsNamespace is %q, and watchNamespaces is %s: its sessions would be nobody's. Name one of these." $namespace (toJson .Values.watchNamespaces)) -}}
{{- end -}}
{{- end -}}

{{/* http tells everybody on the way who people are, and lets them say it; takes {key, url}. */}}
{{- define "vdi-operator.issuer.guard" -}}
{{- $number := "[.](25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])" -}}
{{- $private := printf "127(%[1]s){3}|10(%[1]s){3}|192[.]168(%[1]s){2}|172[.](1[6-9]|2[0-9]|3[01])(%[1]s){2}" $number -}}
{{- if and (hasPrefix "http:" .url) (not (regexMatch (printf "^http://(([^/:]+[.])?localhost|%s)([:/]|$)" $private) .url)) -}}
{{- fail (printf "\n\n%s has %q: whoever is on the way there could say who people are. Give it with https://; http:// is for localhost and private addresses." .key .url) -}}
{{- end -}}
{{- if contains "/.well-known/" .url -}}
{{- fail (printf "\n\n%s has %q, the address of a document. Give the URL before it: %q." .key .url (regexReplaceAll "/[.]well-known/.*$" .url "")) -}}
{{- end -}}
{{- end -}}

{{/* The portal's host is a name that no session has. */}}
{{- define "vdi-operator.portal.host.guard" -}}
{{- $host := include "vdi-operator.portal.host" . -}}
{{- $domain := .Values.ingress.domain -}}
{{- include "vdi-operator.hostName.guard" (dict "key" "The portal's host (portal.host)" "value" $host "example" "portal.example.com" "address" "a browser takes no address, and nothing below one, for a host's name. Set portal.host to a name that resolves to it") -}}
{{- if or (gt (len $host) 253) (contains "--" (first (splitList "." $host))) -}}
{{- fail (printf "\n\nThe portal's host is %q, which is longer than 253 characters, or has \"--\" before its first dot as sessions' hosts do. Set portal.host to another, such as \"portal.example.com\"." $host) -}}
{{- end -}}
{{- if and (eq $host $domain) (eq .Values.url.routing "path") -}}
{{- fail (printf "\n\nportal.host is %q, and so is ingress.domain, the host of all sessions with url.routing=path. Give the portal a host of its own, such as %q." $host (printf "portal.%s" $domain)) -}}
{{- end -}}
{{- end -}}
