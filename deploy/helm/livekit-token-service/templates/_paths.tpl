{{/* Paths of the token endpoint, separated by commas. */}}
{{- define "livekit-token-service.tokenPaths" -}}
{{- $gateway := .Values.config.gateway | default dict }}
{{- $paths := $gateway.token_paths | default (list "/getToken" "/api/token") }}
{{- if $gateway.sandbox }}{{ $paths = append $paths "/api/v2/sandbox/connection-details" }}{{ end }}
{{- $paths | join "," }}
{{- end }}
