{{/* Mistakes that would show only in a crashing pod: each ends the install with one line. */}}

{{- define "penstock.check" -}}
{{- $file := include "penstock.pipeline" . | fromYaml }}
{{- $kind := include "penstock.kind" . }}
{{- range $section := list "kafka" "registry" }}
{{- range $key, $value := get $file $section | default dict }}
{{- if and (regexMatch "(password|secret|token|pem|jaas.config|oauthbearer.config)$" $key) (not (contains "${" (toString $value))) $value }}
{{- fail (printf "pipeline: %s.%s is written out, and would be in a ConfigMap: put it into a Secret, name that in secrets.env or secrets.files, and write ${NAME} or ${file:/path} in the pipeline file" $section $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $agent := $file.agents }}
{{- $model := get ($agent | default dict) "model" }}
{{- $options := kindIs "map" $model | ternary $model dict | dig "options" dict }}
{{- range $header, $value := get $options "headers" | default dict }}
{{- if and (eq (lower $header) "authorization") (not (contains "${" (toString $value))) }}
{{- fail (printf "pipeline: the header %s of agent %s is written out, and would be in a ConfigMap: write ${NAME}, and name the Secret in secrets.env" $header $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- $servers := include "penstock.kafka" (dict "root" . "key" "bootstrap.servers") }}
{{- if or (not $servers) (regexMatch "^(127\\.|localhost|\\[?::1)" $servers) }}
{{- fail (printf "pipeline: kafka.bootstrap.servers is %s: in a pod, that is the pod itself; name the brokers there or in env.PENSTOCK_KAFKA__BOOTSTRAP_SERVERS" ($servers | default "not given")) }}
{{- end }}
{{- if and (eq $kind "Deployment") (include "penstock.kafka" (dict "root" . "key" "group.instance.id")) }}
{{- fail "pipeline: kafka.group.instance.id in a Deployment, whose pods have a new name after each restart: leave it out, or set kind to StatefulSet, where the chart sets it" }}
{{- end }}
{{- if hasKey .Values.files "penstock.yaml" }}
{{- fail "files: penstock.yaml is the pipeline file's own name" }}
{{- end }}
{{- include "penstock.checkStore" . }}
{{- if .Values.autoscaling.enabled }}{{ include "penstock.checkScaling" . }}{{ end }}
{{- end }}

{{/* A pod can write to /tmp only, and its partitions move to other pods. */}}
{{- define "penstock.checkStore" -}}
{{- $file := include "penstock.pipeline" . | fromYaml }}
{{- $store := get ($file.state | default dict) "store" | default "topic" | trimPrefix "file://" }}
{{- if and (not (has $store (list "topic" "none"))) (not (contains "://" $store)) }}
{{- $mounted := false }}
{{- range .Values.extraVolumeMounts }}
{{- if hasPrefix (printf "%s/" (trimSuffix "/" .mountPath)) (printf "%s/" $store) }}{{ $mounted = true }}{{ end }}
{{- end }}
{{- if not $mounted }}
{{- fail (printf "pipeline: state.store is the folder %s, which no pod can write to: use topic or an object store, or mount a volume that all pods share there (extraVolumes, extraVolumeMounts)" $store) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "penstock.checkScaling" -}}
{{- $scaling := .Values.autoscaling }}
{{- if not (int $scaling.partitions) }}
{{- fail "autoscaling.partitions: give the number of partitions of the input that has most; `penstock topics plan` shows it" }}
{{- end }}
{{- if not $scaling.prometheus }}
{{- fail "autoscaling.prometheus: name the Prometheus that has the workers' metrics, such as http://prometheus-operated.monitoring:9090" }}
{{- end }}
{{- if not .Values.lag.enabled }}
{{- fail "autoscaling needs lag.enabled: the lag is read while no worker runs, too" }}
{{- end }}
{{- if kindIs "string" .Values.processes }}
{{- fail "autoscaling needs processes as a number: it counts the members of the group" }}
{{- end }}
{{- if contains "$" (include "penstock.group" .) }}
{{- fail "autoscaling: the pipeline file takes group.id from outside: write it there, since the query for the lag names it" }}
{{- end }}
{{- if not (include "penstock.podCounts" . | fromYamlArray) }}
{{- fail (printf "autoscaling: %d partitions can't be shared evenly by pods with %d processes: let autoscaling.partitions be a multiple of processes" (int $scaling.partitions) (int .Values.processes)) }}
{{- end }}
{{- end }}
