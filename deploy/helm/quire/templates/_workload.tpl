{{/*
A deployment of processes with one role: (dict "root" $ "role" "api" "values" .Values.api). Without "replicas" in values there is one.
The role "admin" is no role of the service: its container waits for somebody who runs commands in it.
*/}}
{{- define "quire.workload" -}}
{{- $root := .root -}}
{{- $values := .values -}}
{{- $gpu := default dict $values.gpu -}}
{{- $autoscaling := default dict $values.autoscaling -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "quire.fullname" $root }}-{{ .role }}
  labels: {{- include "quire.labels" (dict "root" $root "component" .role) | nindent 4 }}
spec:
  {{- if not $autoscaling.enabled }}
  replicas: {{ dig "replicas" 1 $values }}
  {{- end }}
  revisionHistoryLimit: 3
  {{- if has .role (list "watcher" "admin") }}
  strategy: {type: Recreate}
  {{- else }}
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  {{- end }}
  selector:
    matchLabels: {{- include "quire.selector" (dict "root" $root "component" .role) | nindent 6 }}
  template:
    metadata:
      labels: {{- include "quire.labels" (dict "root" $root "component" .role) | nindent 8 }}
      annotations:
        checksum/config: {{ include "quire.config" $root | sha256sum }}
        {{- with $values.podAnnotations }}{{ toYaml . | nindent 8 }}{{ end }}
    spec:
      serviceAccountName: {{ include "quire.serviceAccount" $root }}
      automountServiceAccountToken: false
      {{- with $root.Values.imagePullSecrets }}
      imagePullSecrets: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- if and $gpu.enabled $gpu.runtimeClassName }}
      runtimeClassName: {{ $gpu.runtimeClassName }}
      {{- end }}
      # the drain takes up to 30 s
      terminationGracePeriodSeconds: 45
      securityContext:
        runAsNonRoot: true
        runAsUser: 10001
        runAsGroup: 10001
        fsGroup: 10001
        fsGroupChangePolicy: OnRootMismatch
        seccompProfile: {type: RuntimeDefault}
      {{- if has .role (list "api" "worker") }}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels: {{- include "quire.selector" (dict "root" $root "component" .role) | nindent 14 }}
      {{- end }}
      containers:
        - name: quire
          {{- if and $gpu.enabled $gpu.image }}
          image: {{ $gpu.image | quote }}
          {{- else }}
          image: {{ printf "%s:%s" $root.Values.image.repository (default $root.Chart.AppVersion $root.Values.image.tag) | quote }}
          {{- end }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          {{- if eq .role "admin" }}
          args: [/bin/sleep, infinity]
          {{- else }}
          {{- /* The role api answers probes and Prometheus too; the service leads to its own pods alone. */}}
          args: [serve, --listen, "0.0.0.0:6380", --role, api{{ if ne .role "api" }}, --role, {{ .role }}{{ end }}]
          ports:
            - {name: http, containerPort: 6380}
          {{- end }}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {drop: [ALL]}
          env:
            - {name: QUIRE_CONFIG, value: /etc/quire/quire.yaml}
            {{- if $gpu.enabled }}
            - {name: QUIRE__EMBED__DEVICE, value: cuda}
            {{- with $gpu.onnxruntime }}
            - {name: QUIRE_ONNXRUNTIME, value: {{ . | quote }}}
            {{- end }}
            {{- end }}
            {{- range $name, $value := $root.Values.env }}
            - {name: {{ $name }}, value: {{ $value | quote }}}
            {{- end }}
            {{- range $name, $from := $root.Values.secretEnv }}
            - name: {{ $name }}
              valueFrom:
                secretKeyRef: {name: {{ $from.secret | quote }}, key: {{ $from.key | quote }}}
            {{- end }}
          {{- if ne .role "admin" }}
          {{- /* The service knows itself as localhost; under which address it is asked here, nobody knows beforehand. */}}
          startupProbe:
            httpGet: {path: /livez, port: http, httpHeaders: [{name: Host, value: localhost}]}
            periodSeconds: 5
            timeoutSeconds: 5
            failureThreshold: 60
          livenessProbe:
            httpGet: {path: /livez, port: http, httpHeaders: [{name: Host, value: localhost}]}
            periodSeconds: 15
            timeoutSeconds: 5
            failureThreshold: 4
          readinessProbe:
            httpGet: {path: /readyz, port: http, httpHeaders: [{name: Host, value: localhost}]}
            periodSeconds: 5
            timeoutSeconds: 5
            failureThreshold: 2
          {{- end }}
          {{- if eq .role "api" }}
          # the service stops sending requests here before the process stops taking them
          lifecycle:
            preStop: {exec: {command: [sleep, "5"]}}
          {{- end }}
          resources:
            {{- $resources := deepCopy (default dict $values.resources) }}
            {{- if $gpu.enabled }}
            {{- $limits := merge (dict $gpu.resource 1) (default dict $resources.limits) }}
            {{- $_ := set $resources "limits" $limits }}
            {{- end }}
            {{- toYaml $resources | nindent 12 }}
          volumeMounts:
            - {name: config, mountPath: /etc/quire, readOnly: true}
            - {name: data, mountPath: /var/lib/quire}
            - {name: tmp, mountPath: /tmp}
            {{- range $number, $documents := $root.Values.documents }}
            - {name: documents-{{ $number }}, mountPath: {{ $documents.path | quote }}, readOnly: true}
            {{- end }}
      volumes:
        - name: config
          configMap:
            name: {{ include "quire.fullname" $root }}
            items:
              - {key: quire.yaml, path: quire.yaml}
              {{- range $name, $_ := $root.Values.pipelines }}
              - {key: pipeline-{{ $name }}.yaml, path: pipelines/{{ $name }}.yaml}
              {{- end }}
        - name: data
          emptyDir: {sizeLimit: {{ $root.Values.dataSize }}}
        - name: tmp
          emptyDir: {sizeLimit: 1Gi}
        {{- range $number, $documents := $root.Values.documents }}
        - name: documents-{{ $number }}
          persistentVolumeClaim: {claimName: {{ $documents.claim | quote }}, readOnly: true}
        {{- end }}
      {{- with $values.nodeSelector }}
      nodeSelector: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.tolerations }}
      tolerations: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.affinity }}
      affinity: {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end -}}
