{{/* The Deployments of a mode, and what each takes from the values. */}}

{{- define "livekit-token-service.components" -}}
{{- if eq .Values.mode "split" }}gateway,server{{ else }}standalone{{ end }}
{{- end }}

{{/* Values of a component as YAML: those of all Deployments, with its own over them. Takes { root, component }. */}}
{{- define "livekit-token-service.component" -}}
{{- $shared := pick .root.Values "replicaCount" "autoscaling" "resources" "terminationGracePeriodSeconds"
      "preStopSleepSeconds" "minReadySeconds" "podAnnotations" "podLabels" "priorityClassName" "nodeSelector"
      "tolerations" "affinity" "topologySpreadConstraints" "extraEnv" "extraVolumes" "extraVolumeMounts"
      "serviceAccount" }}
{{- $own := get .root.Values .component | default dict }}
{{- mustMergeOverwrite (deepCopy $shared) (deepCopy $own) | toYaml }}
{{- end }}

{{/* Takes { root, component }. */}}
{{- define "livekit-token-service.serviceAccountName" -}}
{{- $account := (include "livekit-token-service.component" . | fromYaml).serviceAccount }}
{{- if $account.create }}
{{- $account.name | default (include "livekit-token-service.componentName" .) }}
{{- else }}
{{- $account.name | default "default" }}
{{- end }}
{{- end }}

{{/* Pods that there are at least. Takes the component's values. */}}
{{- define "livekit-token-service.leastPods" -}}
{{- if .autoscaling.enabled }}{{ .autoscaling.minReplicas }}{{ else }}{{ .replicaCount }}{{ end }}
{{- end }}

{{/* Milliseconds of a duration such as 1m30s. */}}
{{- define "livekit-token-service.milliseconds" -}}
{{- $units := dict "h" 3600000 "m" 60000 "s" 1000 "ms" 1 }}
{{- $total := 0 }}
{{- range regexFindAll "[0-9]+(h|ms|m|s)" . -1 }}
{{- $unit := get $units (regexFind "[a-z]+$" .) | int64 }}
{{- $total = add $total (mul (regexFind "^[0-9]+" . | int64) $unit) }}
{{- end }}
{{- $total }}
{{- end }}

{{/* Seconds that an orderly stop takes at most, before the 5 that are added to them. Takes { root, component }. */}}
{{- define "livekit-token-service.drainSeconds" -}}
{{- $config := .root.Values.config }}
{{- if eq .component "gateway" }}{{ $config = $config.gateway | default dict }}{{ end }}
{{- $drain := $config.drain | default dict }}
{{- $milliseconds := add (include "livekit-token-service.milliseconds" ($drain.delay | default "8s") | int64)
      (include "livekit-token-service.milliseconds" ($drain.timeout | default "20s") | int64) }}
{{- $values := include "livekit-token-service.component" . | fromYaml }}
{{- add (div (add $milliseconds 999) 1000) (int $values.preStopSleepSeconds) }}
{{- end }}

{{/* Takes { root, component }. */}}
{{- define "livekit-token-service.gracePeriod" -}}
{{- $least := add 5 (include "livekit-token-service.drainSeconds" . | int) }}
{{- $stated := (include "livekit-token-service.component" . | fromYaml).terminationGracePeriodSeconds }}
{{- if kindIs "invalid" $stated }}
{{- $least }}
{{- else if lt (int $stated) (int $least) }}
{{- printf "terminationGracePeriodSeconds is %d, but %s needs %d to stop: %s" (int $stated) .component (int $least)
      "preStopSleepSeconds + drain.delay + drain.timeout + 5" | fail }}
{{- else }}
{{- $stated }}
{{- end }}
{{- end }}

{{/* Seconds that a new pod must be ready before the next old one goes. Takes { root, component }. */}}
{{- define "livekit-token-service.minReadySeconds" -}}
{{- $stated := (include "livekit-token-service.component" . | fromYaml).minReadySeconds }}
{{- if not (kindIs "invalid" $stated) }}
{{- $stated }}
{{- else }}
{{- ternary 40 5 (hasKey (include "livekit-token-service.ports" . | fromYaml) "grpc") }}
{{- end }}
{{- end }}

{{/* The number in a listener's address, or the default. Takes { address, port }. */}}
{{- define "livekit-token-service.port" -}}
{{- regexFind "[0-9]+$" (.address | default "") | default .port }}
{{- end }}

{{/* Container ports of a component by name, as YAML. Takes { root, component }. */}}
{{- define "livekit-token-service.ports" -}}
{{- $server := include "livekit-token-service.serverConfig" .root | fromYaml }}
{{- $gateway := .root.Values.config.gateway | default dict }}
{{- $serverListen := $server.listen | default dict }}
{{- $gatewayListen := $gateway.listen | default dict }}
{{- if ne .component "server" }}
http: {{ include "livekit-token-service.port" (dict "address" $gatewayListen.http "port" "3000") }}
{{- end }}
{{- if and (ne .component "gateway") (include "livekit-token-service.grpcOpen" .root) }}
grpc: {{ include "livekit-token-service.port" (dict "address" $serverListen.grpc "port" "50051") }}
{{- end }}
{{- $adminListen := ternary $gatewayListen $serverListen (eq .component "gateway") }}
admin: {{ include "livekit-token-service.port" (dict "address" $adminListen.admin "port" "9464") }}
{{- end }}

{{/* Whether other pods can reach gRPC; empty if not. */}}
{{- define "livekit-token-service.grpcOpen" -}}
{{- $listen := (include "livekit-token-service.serverConfig" . | fromYaml).listen | default dict }}
{{- if or $listen.tls .Values.allowPlaintextGrpc }}open{{ end }}
{{- end }}

{{/* Whether the pod's service account must be able to ask the API server for keys; empty if not. */}}
{{- define "livekit-token-service.asksApiServer" -}}
{{- range (include "livekit-token-service.serverConfig" . | fromYaml).authenticators }}
{{- with .kubernetes_service_account }}{{ if not (or .jwks_file .token_file) }}yes{{ end }}{{ end }}
{{- end }}
{{- end }}

{{/* `command` and `args` of a component's container; more arguments may follow. Takes { root, component }. */}}
{{- define "livekit-token-service.command" -}}
command: [/usr/bin/livekit-token-{{ .component }}]
args:
  - --config=/etc/livekit-token/config/{{ ternary "gateway" "server" (eq .component "gateway") }}.yaml
  {{- if .root.Values.allowPlaintextGrpc }}
  - --allow_plaintext_grpc
  {{- end }}
{{- end }}
