{{/* What every container of the chart has in common. */}}

{{/* Fields of a pod. */}}
{{- define "penstock.podSpec" -}}
automountServiceAccountToken: false
{{- /* Services would set PENSTOCK_... variables, which look like Penstock's. */}}
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
securityContext: {{ toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{- define "penstock.volumes" -}}
- name: pipeline
  configMap: {name: {{ include "penstock.name" . }}}
- name: tmp
  emptyDir: {sizeLimit: {{ .Values.tmpSize }}}
{{- range $secret, $folder := .Values.secrets.files }}
- name: secret-{{ $secret | replace "." "-" | trunc 56 | trimSuffix "-" }}
  secret: {secretName: {{ $secret }}, defaultMode: 0440}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Fields of a container. */}}
{{- define "penstock.container" -}}
image: {{ include "penstock.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
volumeMounts:
  - {name: pipeline, mountPath: /etc/penstock, readOnly: true}
  - {name: tmp, mountPath: /tmp}
  {{- range $secret, $folder := .Values.secrets.files }}
  - {name: secret-{{ $secret | replace "." "-" | trunc 56 | trimSuffix "-" }}, mountPath: {{ $folder }}, readOnly: true}
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* Variables; the chart's own come last and win. */}}
{{- define "penstock.env" -}}
{{- range $name, $text := .Values.env }}
- {name: {{ $name }}, value: {{ $text | toString | quote }}}
{{- end }}
{{- range $name, $from := .Values.secrets.env }}
- name: {{ $name }}
  valueFrom: {secretKeyRef: {name: {{ $from.name }}, key: {{ $from.key }}}}
{{- end }}
- {name: HOME, value: /tmp}
- {name: PENSTOCK_LOG_FORMAT, value: json}
{{- end }}
