{{- define "leadgauge.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "leadgauge.labels" -}}
app.kubernetes.io/name: leadgauge
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "leadgauge.selector" -}}
app.kubernetes.io/name: leadgauge
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "leadgauge.config" -}}
{{- if .Values.config }}{{ toYaml .Values.config }}{{ else }}{}{{ end }}
{{- end -}}

{{/* What every pod has in common. Called with the root, the ConfigMap, arguments, environment, resources, and the
     probes as text. */}}
{{- define "leadgauge.pod" -}}
serviceAccountName: {{ .root.Values.serviceAccountName }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
containers:
  - name: leadgauge
    image: "{{ .root.Values.image.repository }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}"
    imagePullPolicy: {{ .root.Values.image.pullPolicy }}
    args: {{ toJson .args }}
    env:
      - {name: LEADGAUGE_CONFIG, value: /etc/leadgauge/leadgauge.yaml}
      {{- range $name, $value := .env }}
      - {name: {{ $name }}, value: {{ $value | quote }}}
      {{- end }}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: {drop: [ALL]}
    resources: {{ toJson .resources }}
    {{- with .probes }}
    {{- . | nindent 4 }}
    {{- end }}
    volumeMounts:
      - {name: config, mountPath: /etc/leadgauge, readOnly: true}
      - {name: secrets, mountPath: /run/secrets, readOnly: true}
      - {name: tmp, mountPath: /tmp}
volumes:
  - name: config
    configMap: {name: {{ .config }}}
  - name: secrets
    projected:
      defaultMode: 0440
      sources:
        {{- range prepend .root.Values.crmSecrets .root.Values.existingSecret }}
        - secret: {name: {{ . }}}
        {{- end }}
  - name: tmp
    emptyDir: {sizeLimit: 2Gi}
{{- with .root.Values.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- with .root.Values.affinity }}
affinity: {{ toJson . }}
{{- end }}
{{- end -}}

{{- define "leadgauge.probes.web" -}}
ports:
  - {name: http, containerPort: 8700}
startupProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 5
  failureThreshold: 30
livenessProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 30
  timeoutSeconds: 10
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 15
  timeoutSeconds: 10
{{- end -}}

{{- define "leadgauge.probes.heartbeat" -}}
startupProbe:
  exec: {command: [python, -m, worker.observing.heartbeat, /tmp/leadgauge]}
  periodSeconds: 5
  timeoutSeconds: 10
  failureThreshold: 36
livenessProbe:
  exec: {command: [python, -m, worker.observing.heartbeat, /tmp/leadgauge]}
  periodSeconds: 60
  timeoutSeconds: 10
{{- end -}}
