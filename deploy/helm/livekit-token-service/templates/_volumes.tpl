{{/* Volumes of a component, each with its mountPath, as a YAML list. Takes { root, component }. */}}

{{- define "livekit-token-service.volumes" -}}
{{- $values := .root.Values }}
- name: config
  mountPath: /etc/livekit-token/config
  configMap:
    name: {{ include "livekit-token-service.componentName" . }}
{{- if ne .component "gateway" }}
{{- if or $values.storeKeysInSecret.existingSecret $values.storeKeysInSecret.keys }}
- name: keys
  mountPath: /etc/livekit-token/keys
  secret:
    {{- $made := printf "%s-keys" (include "livekit-token-service.fullname" .root) }}
    secretName: {{ $values.storeKeysInSecret.existingSecret | default $made }}
    defaultMode: 0440
{{- end }}
{{- if include "livekit-token-service.asksApiServer" .root }}
- name: api-server-token
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken: { expirationSeconds: 3600, path: token }
      - configMap: { name: kube-root-ca.crt, items: [{ key: ca.crt, path: ca.crt }] }
{{- end }}
{{- end }}
{{- if include "livekit-token-service.mtls" .root }}
- name: tls
  mountPath: /etc/livekit-token/tls
  secret:
    secretName: {{ include "livekit-token-service.tlsSecret" . }}
    defaultMode: 0440
{{- if $values.mtls.trustBundle.configMap }}
- name: ca
  mountPath: /etc/livekit-token/ca
  configMap:
    name: {{ $values.mtls.trustBundle.configMap }}
{{- end }}
{{- end }}
{{- if eq .component "gateway" }}
{{- with include "livekit-token-service.callerTokenVolume" .root }}
- name: caller
  mountPath: /etc/livekit-token/caller
  {{- . | nindent 2 }}
{{- end }}
{{- end }}
{{- $component := .component }}
{{- range $values.mounts }}
{{- if or (eq $component "standalone") (eq $component (.for | default "server")) }}
- name: mount-{{ .name }}
  mountPath: /etc/livekit-token/{{ .name }}
{{- if .secret }}
  secret:
    secretName: {{ .secret }}
    defaultMode: 0440
{{- else }}
  configMap:
    name: {{ .configMap }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The Secret with a component's certificate. Takes { root, component }. */}}
{{- define "livekit-token-service.tlsSecret" -}}
{{- $mtls := .root.Values.mtls }}
{{- $role := ternary "gateway" "server" (eq .component "gateway") }}
{{- if $mtls.certManager.enabled }}
{{- include "livekit-token-service.fullname" .root }}-{{ $role }}-tls
{{- else }}
{{- get $mtls.existingSecret $role }}
{{- end }}
{{- end }}

{{/* `volumes` of a component's pods. Takes { root, component }. */}}
{{- define "livekit-token-service.podVolumes" -}}
{{- range include "livekit-token-service.volumes" . | fromYamlArray }}
- name: {{ .name }}
  {{- omit . "name" "mountPath" | toYaml | nindent 2 }}
{{- end }}
{{- with (include "livekit-token-service.component" . | fromYaml).extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* `volumeMounts` of a component's container. Takes { root, component }. */}}
{{- define "livekit-token-service.volumeMounts" -}}
{{- range include "livekit-token-service.volumes" . | fromYamlArray }}
- { name: {{ .name }}, mountPath: {{ .mountPath }}, readOnly: true }
{{- end }}
{{- with (include "livekit-token-service.component" . | fromYaml).extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}
