{{/* server.yaml and gateway.yaml: `config`, and what follows from other values where it says nothing. */}}

{{/* Whether certificates on gRPC come from this chart; empty if not. */}}
{{- define "livekit-token-service.mtls" -}}
{{- if or .Values.mtls.certManager.enabled .Values.mtls.existingSecret.server }}yes{{ end }}
{{- end }}

{{/* File with the authorities that are believed on gRPC. */}}
{{- define "livekit-token-service.caFile" -}}
{{- if .Values.mtls.trustBundle.configMap }}/etc/livekit-token/ca/{{ .Values.mtls.trustBundle.key }}
{{- else }}/etc/livekit-token/tls/ca.crt{{ end }}
{{- end }}

{{/* Name in the gateway's certificate. */}}
{{- define "livekit-token-service.gatewayName" -}}
{{- $account := include "livekit-token-service.serviceAccountName" (dict "root" . "component" "gateway") }}
{{- $id := printf "spiffe://%s/ns/%s/sa/%s" .Values.mtls.trustDomain .Release.Namespace $account }}
{{- .Values.mtls.gatewayName | default $id }}
{{- end }}

{{/* ServerConfig as YAML, without the gateway's section. */}}
{{- define "livekit-token-service.serverConfig" -}}
{{- $config := omit (deepCopy .Values.config) "gateway" }}
{{- if not $config.projects }}
{{- $keys := dict "file" (printf "/etc/livekit-token/keys/%s" .Values.storeKeysInSecret.keyFile) }}
{{- with .Values.livekit.signingKey }}{{ $_ := set $keys "signing_key" . }}{{ end }}
{{- $_ := set $config "projects" (list (dict "name" "main" "client_url" .Values.livekit.url "keys" $keys)) }}
{{- end }}
{{- if not $config.authenticators }}
{{- $authenticators := list }}
{{- if .Values.jwt.issuer }}
{{- $authenticators = list (dict "name" "users" "jwt" (pick .Values.jwt "issuer" "audiences")) }}
{{- $user := dict "name" "user" "match" (dict "authenticator" "users")
      "room" (dict "client" "allow" "default" "room-{random}")
      "grants" (dict "can_publish" true "can_subscribe" true "can_publish_data" true) }}
{{- $_ := set $config "policies" ($config.policies | default (list $user)) }}
{{- end }}
{{- $_ := set $config "authenticators" $authenticators }}
{{- end }}
{{- if include "livekit-token-service.mtls" . }}
{{- $folder := "/etc/livekit-token/tls" }}
{{- $tls := dict "cert_file" (printf "%s/tls.crt" $folder) "key_file" (printf "%s/tls.key" $folder)
      "client_ca_file" (include "livekit-token-service.caFile" .) }}
{{- if .Values.mtls.clientCertOptional }}{{ $_ := set $tls "client_cert_optional" true }}{{ end }}
{{- $_ := set $config "listen" (mustMerge ($config.listen | default dict) (dict "tls" $tls)) }}
{{- else if .Values.allowPlaintextGrpc }}
{{- $_ := set $config "listen" (mustMerge ($config.listen | default dict) (dict "grpc" "[::]:50051")) }}
{{- end }}
{{- $relays := false }}
{{- range $config.services }}{{ if .relay }}{{ $relays = true }}{{ end }}{{ end }}
{{- if and (eq .Values.mode "split") (not $relays) }}
{{- with include "livekit-token-service.gatewayIdentity" . | fromYaml }}
{{- $_ := set $config "authenticators" (append $config.authenticators .authenticator) }}
{{- $_ := set $config "services" (append ($config.services | default list) .service) }}
{{- end }}
{{- end }}
{{- $config | toYaml }}
{{- end }}

{{/* The authenticator that knows the gateway, and the service that it is; empty if `config` must say so itself. */}}
{{- define "livekit-token-service.gatewayIdentity" -}}
{{- $authenticator := dict }}
{{- $subject := "" }}
{{- if include "livekit-token-service.mtls" . }}
{{- $subject = include "livekit-token-service.gatewayName" . }}
{{- $kind := ternary "uri_sans" "dns_sans" (contains "://" $subject) }}
{{- $authenticator = dict "name" "gateway-identity" "mtls" (dict $kind (list $subject)) }}
{{- else if .Values.callerToken.serviceAccount.issuer }}
{{- $account := include "livekit-token-service.serviceAccountName" (dict "root" . "component" "gateway") }}
{{- $subject = printf "system:serviceaccount:%s:%s" .Release.Namespace $account }}
{{- $kind := pick .Values.callerToken.serviceAccount "issuer" "audience" }}
{{- $authenticator = dict "name" "gateway-identity" "kubernetes_service_account" $kind }}
{{- end }}
{{- if $authenticator }}
{{- $match := dict "authenticator" "gateway-identity" "subject" $subject }}
{{- $service := dict "name" "gateway" "match" $match "relay" true }}
{{- dict "authenticator" $authenticator "service" $service | toYaml }}
{{- end }}
{{- end }}

{{/* GatewayConfig of mode split as YAML. */}}
{{- define "livekit-token-service.gatewayConfig" -}}
{{- $config := deepCopy (.Values.config.gateway | default dict) }}
{{- $listen := (include "livekit-token-service.serverConfig" . | fromYaml).listen | default dict }}
{{- $port := include "livekit-token-service.port" (dict "address" $listen.grpc "port" "50051") }}
{{- $fullname := include "livekit-token-service.fullname" . }}
{{- /* The dot at the end keeps the resolver from trying its search list. */}}
{{- $host := printf "%s-grpc.%s.svc.%s." $fullname .Release.Namespace .Values.clusterDomain }}
{{- $server := dict "address" (printf "dns:///%s:%s" $host $port) }}
{{- if include "livekit-token-service.mtls" . }}
{{- $folder := "/etc/livekit-token/tls" }}
{{- $_ := set $server "tls" (dict "cert_file" (printf "%s/tls.crt" $folder) "key_file" (printf "%s/tls.key" $folder)
      "ca_file" (include "livekit-token-service.caFile" .)
      "server_name" (include "livekit-token-service.grpcHost" .)) }}
{{- else if include "livekit-token-service.callerTokenVolume" . }}
{{- $_ := set $server "caller_token_file" "/etc/livekit-token/caller/token" }}
{{- end }}
{{- $_ := set $config "server" (mustMerge ($config.server | default dict) $server) }}
{{- $config | toYaml }}
{{- end }}

{{/* The volume with the gateway's own credential in mode split without certificates; empty if there is none. */}}
{{- define "livekit-token-service.callerTokenVolume" -}}
{{- $caller := .Values.callerToken }}
{{- if and (eq .Values.mode "split") (not (include "livekit-token-service.mtls" .)) }}
{{- if $caller.existingSecret }}
secret:
  secretName: {{ $caller.existingSecret }}
  defaultMode: 0440
  items: [{ key: {{ $caller.key | quote }}, path: token }]
{{- else if $caller.serviceAccount.issuer }}
projected:
  defaultMode: 0440
  sources:
    - serviceAccountToken:
        { audience: {{ $caller.serviceAccount.audience | quote }}, expirationSeconds: 3600, path: token }
{{- end }}
{{- end }}
{{- end }}

{{/* Files of a component's ConfigMap as YAML. Takes { root, component }. */}}
{{- define "livekit-token-service.configFiles" -}}
{{- if eq .component "gateway" -}}
gateway.yaml: |
  {{- include "livekit-token-service.gatewayConfig" .root | nindent 2 }}
{{- else -}}
{{- $config := include "livekit-token-service.serverConfig" .root | fromYaml }}
{{- if and (eq .component "standalone") .root.Values.config.gateway }}
{{- $_ := set $config "gateway" .root.Values.config.gateway }}
{{- end -}}
server.yaml: |
  {{- $config | toYaml | nindent 2 }}
{{- end }}
{{- end }}

{{/* What a component reads at its start only, as text. Takes { root, component }. */}}
{{- define "livekit-token-service.readAtStart" -}}
{{- if eq .component "gateway" }}
{{- include "livekit-token-service.gatewayConfig" .root }}
{{- else }}
{{- $config := include "livekit-token-service.serverConfig" .root | fromYaml }}
{{- pick $config "listen" "drain" "reflection" "audit" | toYaml }}
{{- if eq .component "standalone" }}{{ .root.Values.config.gateway | toYaml }}{{ end }}
{{- end }}
{{- end }}

{{/* Ports of the addresses that authenticators ask, separated by commas. */}}
{{- define "livekit-token-service.authenticatorPorts" -}}
{{- $ports := dict }}
{{- range (include "livekit-token-service.serverConfig" . | fromYaml).authenticators }}
{{- $url := "" }}
{{- with .jwt }}
{{- if not (or .jwks_file .public_key_file .hs256_secret_file .hs384_secret_file .hs512_secret_file) }}
{{- $url = .jwks_uri | default .issuer }}
{{- end }}
{{- end }}
{{- with .forward_auth }}{{ $url = .url }}{{ end }}
{{- with .oauth2_introspection }}{{ $url = .url }}{{ end }}
{{- with .spiffe_jwt }}{{ $url = .bundle_url }}{{ end }}
{{- with .kubernetes_service_account }}
{{- if not .jwks_file }}
{{- $url = .api_server | default "https://kubernetes.default.svc" }}
{{- /* Rules see the port behind the Service, which is 6443 on most clusters. */}}
{{- $_ := set $ports "6443" true }}
{{- end }}
{{- end }}
{{- if $url }}
{{- $stated := regexFind ":[0-9]+$" (regexFind "^https?://[^/]*" $url) | trimPrefix ":" }}
{{- $_ := set $ports ($stated | default (ternary "80" "443" (hasPrefix "http://" $url))) true }}
{{- end }}
{{- end }}
{{- keys $ports | sortAlpha | join "," }}
{{- end }}
