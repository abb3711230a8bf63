{{/* Names, labels, image. */}}

{{- define "penstock.name" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "penstock.labels" -}}
{{ include "penstock.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* Never changes: the selector of a Deployment can't. The component (worker or lag) comes beside it. */}}
{{- define "penstock.selector" -}}
app.kubernetes.io/name: penstock
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "penstock.image" -}}
{{- $tag := .Values.image.tag | default (printf "%s%s" .Chart.AppVersion (.Values.gpu.count | int | eq 0 | ternary "" "-cuda")) }}
{{- printf "%s:%s" .Values.image.repository $tag }}
{{- end }}

{{- define "penstock.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (.Values.serviceAccount.create | ternary (include "penstock.name" .) "default") }}
{{- end }}
