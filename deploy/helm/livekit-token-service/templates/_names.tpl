{{/* Names and labels. Names leave room for the longest suffix, `-gateway`, and are DNS labels of at most 63. */}}

{{- define "livekit-token-service.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 55 | trimSuffix "-" }}
{{- end }}

{{- define "livekit-token-service.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 55 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 55 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 55 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Of a component; standalone has the plain name. Takes { root, component }. */}}
{{- define "livekit-token-service.componentName" -}}
{{- $fullname := include "livekit-token-service.fullname" .root }}
{{- if eq .component "standalone" }}{{ $fullname }}{{ else }}{{ $fullname }}-{{ .component }}{{ end }}
{{- end }}

{{/* Takes { root, component }; without a component those that all have in common. */}}
{{- define "livekit-token-service.selectorLabels" -}}
app.kubernetes.io/name: {{ include "livekit-token-service.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{/* Of pods: nothing that would replace them when only the chart has changed. */}}
{{- define "livekit-token-service.podLabels" -}}
{{ include "livekit-token-service.selectorLabels" . }}
app.kubernetes.io/part-of: livekit
{{- end }}

{{- define "livekit-token-service.labels" -}}
{{ include "livekit-token-service.podLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The name by which the server's certificate and the gateway's connections know the token servers. */}}
{{- define "livekit-token-service.grpcHost" -}}
{{ include "livekit-token-service.fullname" . }}-grpc.{{ .Release.Namespace }}.svc
{{- end }}

{{- define "livekit-token-service.image" -}}
{{- $image := .Values.image }}
{{- if $image.digest }}{{ $image.repository }}@{{ $image.digest }}
{{- else }}{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}
