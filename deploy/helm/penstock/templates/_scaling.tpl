{{/* How many pods share the partitions evenly, ascending, as a YAML list: no member then has more
than another. */}}
{{- define "penstock.podCounts" -}}
{{- $partitions := int .Values.autoscaling.partitions }}
{{- $processes := int .Values.processes }}
{{- $max := .Values.autoscaling.maxReplicas | default $partitions | int }}
{{- $counts := list }}
{{- range $pods := untilStep 1 (add1 (min $max $partitions) | int) 1 }}
{{- if eq 0 (mod $partitions (mul $pods $processes)) }}{{ $counts = append $counts $pods }}{{ end }}
{{- end }}
{{- toYaml $counts }}
{{- end }}

{{/* PromQL: the pods that are needed, as the smallest of the even numbers that is enough.

For each agent: in = records taken in + the growth of the lag, which is what producers send; the true
rate of a process = records finished per busy second. The agent that needs most decides. Where it is
not known how fast an agent is, since none has been busy, one pod is enough to find out. */}}
{{- define "penstock.podsQuery" -}}
{{- $scaling := .Values.autoscaling }}
{{- $counts := include "penstock.podCounts" . | fromYamlArray }}
{{- $of := printf "namespace=%q, release=%q" .Release.Namespace .Release.Name }}
{{- $lag := printf "penstock_group_lag_records{%s, group=%q}" $of (include "penstock.group" .) -}}
min(
  (
    label_replace(vector(0), "pods", "0", "", "")
    {{- range $counts }}
    or label_replace(vector({{ . }}), "pods", "{{ . }}", "", "")
    {{- end }}
  )
  >= on () group_left ()
  clamp_max(max(
    clamp_min(
      sum by (agent) (rate(penstock_records_in_total{ {{- $of -}} }[5m]))
      + sum by (agent) (deriv({{ $lag }}[5m]))
      + sum by (agent) ({{ $lag }}) / {{ $scaling.catchUpSeconds }},
      0
    )
    / (
      {{ $scaling.utilization }} * {{ .Values.processes }}
      * sum by (agent) (rate(penstock_records_total{ {{- $of -}} }[30m]))
      / (sum by (agent) (rate(penstock_busy_seconds_total{ {{- $of -}} }[30m])) > 0)
    )
    or sum by (agent) ({{ $lag }}) > bool 0
  ), {{ last $counts }})
)
{{- end }}
