{{/* What the schema cannot say about values that belong together. Fails with a sentence, or is empty. */}}

{{- define "livekit-token-service.validate" -}}
{{- include "livekit-token-service.validateKeys" . }}
{{- include "livekit-token-service.validateCallers" . }}
{{- include "livekit-token-service.validateMounts" . }}
{{- include "livekit-token-service.validateListeners" . }}
{{- include "livekit-token-service.validateAccounts" . }}
{{- include "livekit-token-service.validateGrpc" . }}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}
{{- fail "ingress.hosts is empty: give the host names of the endpoint" }}
{{- end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
{{- fail "httpRoute.parentRefs is empty: give the Gateway that the route belongs to" }}
{{- end }}
{{- end }}

{{- define "livekit-token-service.validateKeys" -}}
{{- $keys := .Values.storeKeysInSecret }}
{{- if and .Values.livekit.url .Values.config.projects }}
{{- fail "livekit.url and config.projects say the same; give one" }}
{{- end }}
{{- if and .Values.livekit.signingKey .Values.config.projects }}
{{- fail "livekit.signingKey has no effect beside config.projects; state keys.signing_key there" }}
{{- end }}
{{- if not (or .Values.livekit.url .Values.config.projects) }}
{{- fail (print "livekit.url is missing: the address that clients get, such as wss://livekit.example.com "
      "(or state config.projects)") }}
{{- end }}
{{- if and $keys.existingSecret $keys.keys }}
{{- fail "storeKeysInSecret.existingSecret and storeKeysInSecret.keys are two sources of keys; give one" }}
{{- end }}
{{- $needed := not .Values.config.projects }}
{{- range .Values.config.projects }}
{{- if hasPrefix "/etc/livekit-token/keys/" ((.keys | default dict).file | default "") }}{{ $needed = true }}{{ end }}
{{- end }}
{{- if and $needed (not (or $keys.existingSecret $keys.keys)) }}
{{- fail (print "LiveKit's API keys are missing: give storeKeysInSecret.existingSecret, the name of a Secret with a "
      "key file (such as the one of LiveKit's chart), or storeKeysInSecret.keys") }}
{{- end }}
{{- if and (gt (len $keys.keys) 1) (not .Values.config.projects) (not .Values.livekit.signingKey) }}
{{- fail "livekit.signingKey is missing: storeKeysInSecret.keys has several keys, and one of them must sign" }}
{{- end }}
{{- end }}

{{- define "livekit-token-service.validateCallers" -}}
{{- $jwt := .Values.jwt }}
{{- if and $jwt.issuer .Values.config.authenticators }}
{{- fail "jwt.issuer and config.authenticators say the same; give one" }}
{{- end }}
{{- if and $jwt.issuer (not $jwt.audiences) }}
{{- fail "jwt.audiences is missing: without it every token of the issuer would count, whomever it was made for" }}
{{- end }}
{{- if not (or $jwt.issuer .Values.config.authenticators) }}
{{- fail (print "nothing says who may have tokens: give jwt.issuer and jwt.audiences, or config.authenticators with "
      "config.policies or config.services") }}
{{- end }}
{{- end }}

{{- define "livekit-token-service.validateMounts" -}}
{{- $own := list "config" "keys" "tls" "ca" "caller" }}
{{- $names := list }}
{{- range .Values.mounts }}
{{- if eq (empty .secret) (empty .configMap) }}
{{- printf "mounts: %s needs exactly one of secret and configMap" .name | fail }}
{{- end }}
{{- if has .name $own }}
{{- printf "mounts: the name %s is the chart's own" .name | fail }}
{{- end }}
{{- if has .name $names }}{{ printf "mounts: the name %s is there twice" .name | fail }}{{ end }}
{{- $names = append $names .name }}
{{- end }}
{{- range $component := include "livekit-token-service.components" . | splitList "," }}
{{- $values := include "livekit-token-service.component" (dict "root" $ "component" $component) | fromYaml }}
{{- range $values.extraVolumeMounts }}
{{- if or .subPath .subPathExpr }}
{{- printf "extraVolumeMounts: %s is mounted by subPath, and would never change" .mountPath | fail }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "livekit-token-service.validateListeners" -}}
{{- $gateway := .Values.config.gateway | default dict }}
{{- $gatewayListen := $gateway.listen | default dict }}
{{- $listen := .Values.config.listen | default dict }}
{{- $addresses := dict "config.listen.admin" $listen.admin "config.gateway.listen.http" $gatewayListen.http }}
{{- if eq .Values.mode "split" }}{{ $_ := set $addresses "config.gateway.listen.admin" $gatewayListen.admin }}{{ end }}
{{- range $path, $address := $addresses }}
{{- if regexMatch "^(localhost|127\\.|\\[::1\\])" ($address | default "") }}
{{- printf "%s is %s: neither probes nor other pods can reach loopback" $path $address | fail }}
{{- end }}
{{- end }}
{{- if and .Values.networkPolicy.grpcNamespaces (not (include "livekit-token-service.grpcOpen" .)) }}
{{- fail "networkPolicy.grpcNamespaces: nobody can reach gRPC, which needs mtls (or allowPlaintextGrpc)" }}
{{- end }}
{{- $version := .Capabilities.KubeVersion.Version }}
{{- range $component := include "livekit-token-service.components" . | splitList "," }}
{{- $values := include "livekit-token-service.component" (dict "root" $ "component" $component) | fromYaml }}
{{- $scaling := $values.autoscaling }}
{{- if and $scaling.enabled (gt (int $scaling.minReplicas) (int $scaling.maxReplicas)) }}
{{- printf "autoscaling of %s: minReplicas is more than maxReplicas" $component | fail }}
{{- end }}
{{- if and $values.preStopSleepSeconds (semverCompare "<1.30-0" $version) }}
{{- printf "preStopSleepSeconds needs Kubernetes 1.30, this is %s; use config.drain.delay" $version | fail }}
{{- end }}
{{- end }}
{{- end }}

{{- define "livekit-token-service.validateAccounts" -}}
{{- if and (eq .Values.mode "split") .Values.serviceAccount.create .Values.serviceAccount.name }}
{{- fail (print "serviceAccount.name would be that of two components, whose identities must differ: give "
      "gateway.serviceAccount.name and server.serviceAccount.name") }}
{{- end }}
{{- end }}

{{- define "livekit-token-service.validateGrpc" -}}
{{- $mtls := include "livekit-token-service.mtls" . }}
{{- $manager := .Values.mtls.certManager }}
{{- $caller := .Values.callerToken }}
{{- $own := (.Values.config.gateway | default dict).server | default dict }}
{{- if and $manager.enabled (not $manager.issuerRef.name) }}
{{- fail "mtls.certManager.issuerRef.name is missing: the Issuer that makes the certificates" }}
{{- end }}
{{- if and $manager.enabled .Values.mtls.existingSecret.server }}
{{- fail "mtls.certManager and mtls.existingSecret are two ways to the same certificates; give one" }}
{{- end }}
{{- if and $mtls .Values.allowPlaintextGrpc }}
{{- fail "mtls and allowPlaintextGrpc contradict each other; give one" }}
{{- end }}
{{- if and $caller.existingSecret $caller.serviceAccount.issuer }}
{{- fail "callerToken.existingSecret and callerToken.serviceAccount are two identities of the gateway; give one" }}
{{- end }}
{{- if eq .Values.mode "split" }}
{{- if not (or $mtls .Values.allowPlaintextGrpc (and (.Values.config.listen | default dict).tls $own.tls)) }}
{{- fail (print "mode split needs certificates between gateway and server: give mtls.certManager or "
      "mtls.existingSecret, or allowPlaintextGrpc: true where the network itself encrypts") }}
{{- end }}
{{- if and .Values.mtls.existingSecret.server (not .Values.mtls.existingSecret.gateway) }}
{{- fail "mtls.existingSecret.gateway is missing: the Secret with the gateway's own certificate" }}
{{- end }}
{{- if and $mtls (or $caller.existingSecret $caller.serviceAccount.issuer) }}
{{- fail "callerToken is a second identity of the gateway beside its certificate (mtls); give one" }}
{{- end }}
{{- if not (or $mtls $caller.existingSecret $caller.serviceAccount.issuer $own.caller_token_file
      ($own.tls | default dict).cert_file) }}
{{- fail (print "the gateway has nothing to prove itself with: give callerToken.existingSecret or "
      "callerToken.serviceAccount.issuer") }}
{{- end }}
{{- $relays := false }}
{{- range (include "livekit-token-service.serverConfig" . | fromYaml).services }}
{{- if .relay }}{{ $relays = true }}{{ end }}
{{- end }}
{{- if not $relays }}{{ fail "config.services has no service with relay: true, which the gateway needs" }}{{ end }}
{{- else if $own }}
{{- fail "config.gateway.server is for mode split; in mode standalone the gateway is in the same process" }}
{{- end }}
{{- end }}
