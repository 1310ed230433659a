{{/*
quire.yaml and the pipeline files, as the data of a ConfigMap. The names of the service inside the cluster are allowed hosts.
*/}}
{{- define "quire.config" -}}
{{- $name := printf "%s-api" (include "quire.fullname" .) -}}
{{- $namespaced := printf "%s.%s" $name .Release.Namespace -}}
{{- $hosts := list $name $namespaced (printf "%s.svc" $namespaced) (printf "%s.svc.cluster.local" $namespaced) -}}
{{- $config := deepCopy .Values.config -}}
{{- $server := default dict $config.server -}}
{{- $server = set $server "allowed_hosts" (concat (default list $server.allowed_hosts) $hosts | uniq) -}}
{{- with .Values.publicUrl -}}{{- $server = set $server "public_url" . -}}{{- end -}}
{{- $config = merge (dict "version" 1 "server" $server) $config -}}
{{- if .Values.pipelines -}}
{{- $files := list -}}
{{- range $file, $_ := .Values.pipelines -}}{{- $files = append $files (printf "pipelines/%s.yaml" $file) -}}{{- end -}}
{{- $config = set $config "pipelines" $files -}}
{{- end -}}
quire.yaml: |
  {{- toYaml $config | nindent 2 }}
{{- range $file, $pipeline := .Values.pipelines }}
pipeline-{{ $file }}.yaml: |
  {{- toYaml $pipeline | nindent 2 }}
{{- end }}
{{- end -}}
