{{- define "moongate.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end }}

{{- define "moongate.fullname" -}}
{{- $name := include "moongate.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "moongate.selector" -}}
app.kubernetes.io/name: {{ include "moongate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "moongate.labels" -}}
{{ include "moongate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "moongate.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "moongate.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{- /* moongate.yaml: the configuration, then FlyteAdmin's sections as they are. */ -}}
{{- define "moongate.yaml" -}}
{{ toYaml .Values.config }}
{{- range $section := list "cloudEvents" "externalEvents" "cloud_events" "external_events" }}
{{- with index $.Values $section }}
{{ $section }}:
  {{- tpl (toYaml .) $ | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Name and port of each listener that the configuration has: a line NAME=PORT each. */ -}}
{{- define "moongate.ports" -}}
{{- $ingest := .Values.config.ingest | default dict -}}
{{- range $name := list "grpc" "http" -}}
{{- with index $ingest $name -}}
{{- $listen := .listen | default (eq $name "grpc" | ternary "127.0.0.1:8089" "127.0.0.1:8088") -}}
{{- include "moongate.port" (list (printf "config.ingest.%s.listen" $name) $name $listen) -}}
{{- end -}}
{{- end -}}
{{- $admin := (.Values.config.admin | default dict).listen | default "127.0.0.1:9090" -}}
{{- include "moongate.port" (list "config.admin.listen" "admin" $admin) -}}
{{- end }}

{{- define "moongate.port" -}}
{{- $key := index . 0 -}}
{{- $listen := index . 2 -}}
{{- if not (regexMatch ":[1-9][0-9]*$" $listen) -}}
{{- fail (printf "%s: %q has no port; in a pod it is ADDRESS:PORT, as 0.0.0.0:8089" $key $listen) -}}
{{- end -}}
{{- if regexMatch "^(127\\.|localhost:|\\[::1\\])" $listen -}}
{{- fail (printf "%s: %q is reached from inside the pod alone, also by no probe; say 0.0.0.0" $key $listen) -}}
{{- end -}}
{{- printf "%s=%s\n" (index . 1) (regexFind "[0-9]+$" $listen) -}}
{{- end }}

{{- /* Seconds that a stop may take: shutdown_timeout, rounded up, and 10. */ -}}
{{- define "moongate.grace" -}}
{{- $text := .Values.config.shutdown_timeout | default "25s" | toString -}}
{{- if not (regexMatch "^(0|([0-9]+(ms|s|m|h))+)$" $text) -}}
{{- fail (printf "config.shutdown_timeout: %q is no duration, as 25s" $text) -}}
{{- end -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 -}}
{{- $ms := 0 -}}
{{- range regexFindAll "[0-9]+(ms|s|m|h)" $text -1 -}}
{{- $ms = add $ms (mul (regexFind "^[0-9]+" . | atoi) (get $units (regexFind "[a-z]+$" .))) -}}
{{- end -}}
{{- add (div (add $ms 999) 1000) 10 -}}
{{- end }}

{{- /* Bytes of a size as moongate.yaml or Kubernetes writes it; -1: another form, which is not looked at. */ -}}
{{- define "moongate.bytes" -}}
{{- $text := kindIs "float64" . | ternary (int64 .) . | toString -}}
{{- if regexMatch "^([0-9]{1,18}|[0-9]{1,6}[KMGT]i?B?)$" $text -}}
{{- $n := regexFind "^[0-9]+" $text | int64 -}}
{{- $step := contains "i" $text | ternary 1024 1000 -}}
{{- range until (get (dict "K" 1 "M" 2 "G" 3 "T" 4) (regexFind "[KMGT]" $text) | int) -}}
{{- $n = mul $n $step -}}
{{- end -}}
{{- $n -}}
{{- else -}}
-1
{{- end -}}
{{- end }}

{{- /* The log has room on the volume that the chart makes. */ -}}
{{- define "moongate.room" -}}
{{- $log := (.Values.config.log | default dict).max_bytes | default "8GiB" -}}
{{- $needs := include "moongate.bytes" $log | int64 -}}
{{- $has := include "moongate.bytes" .Values.persistence.size | int64 -}}
{{- if and (ge $needs 0) (ge $has 0) (ge $needs $has) -}}
{{- fail (printf "config.log.max_bytes: %v has no room on a volume of persistence.size %s, where dead letters lie too" $log .Values.persistence.size) -}}
{{- end -}}
{{- end }}
