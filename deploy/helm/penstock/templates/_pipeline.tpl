{{/* What the chart reads in the pipeline file. Each template returns YAML or one word. */}}

{{- define "penstock.pipeline" -}}
{{- if not (trim .Values.pipeline) }}
{{- fail "pipeline: there is no pipeline file: add --set-file pipeline=penstock.yaml" }}
{{- end }}
{{- $file := fromYaml .Values.pipeline }}
{{- if $file.Error }}
{{- fail (printf "pipeline: not YAML: %s" $file.Error) }}
{{- end }}
{{- if not (kindIs "map" $file.agents) }}
{{- fail "pipeline: it has no `agents`: is it a pipeline file? `penstock check --offline -c FILE` shows what is wrong" }}
{{- end }}
{{- toYaml $file }}
{{- end }}

{{/* A setting of `kafka:`, overridden by the environment as Penstock does; "" without it. */}}
{{- define "penstock.kafka" -}}
{{- $file := include "penstock.pipeline" .root | fromYaml }}
{{- $variable := printf "PENSTOCK_KAFKA__%s" (.key | upper | replace "." "_") }}
{{- $value := get ($file.kafka | default dict) .key }}
{{- get .root.Values.env $variable | default $value | default "" }}
{{- end }}

{{- define "penstock.group" -}}
{{- include "penstock.kafka" (dict "root" . "key" "group.id") | default "penstock" }}
{{- end }}

{{/* Whether each agent's model learns: true, false or unknown, by agent. */}}
{{- define "penstock.learning" -}}
{{- $file := include "penstock.pipeline" . | fromYaml }}
{{- $known := .Files.Get "files/models.yaml" | fromYaml }}
{{- range $name, $agent := $file.agents }}
{{- $model := get ($agent | default dict) "model" | default (get $known.agents $name) | default "" }}
{{- if kindIs "map" $model }}
{{- $model = get $model "name" | default (get $known.agents $name) | default "" }}
{{- end }}
{{- $learns := "unknown" }}
{{- if hasKey $known.learns $model }}
{{- $learns = get $known.learns $model | toString }}
{{- else if and (not (contains ":" $model)) (not (contains "$" $model)) (or (contains "/" $model) (hasSuffix ".onnx" $model)) }}
{{- $learns = "false" }}
{{- end }}
{{ $name }}: {{ $learns | quote }}
{{- end }}
{{- end }}

{{/* Deployment or StatefulSet. */}}
{{- define "penstock.kind" -}}
{{- $learning := list }}
{{- $unknown := list }}
{{- range $name, $learns := include "penstock.learning" . | fromYaml }}
{{- if eq $learns "true" }}{{ $learning = append $learning $name }}{{ end }}
{{- if eq $learns "unknown" }}{{ $unknown = append $unknown $name }}{{ end }}
{{- end }}
{{- if eq .Values.kind "auto" }}
{{- if $learning -}}
StatefulSet
{{- else if $unknown }}
{{- fail (printf "kind: auto can't know whether the models of %s learn: set kind to StatefulSet if one does, else to Deployment" (join ", " (sortAlpha $unknown))) }}
{{- else -}}
Deployment
{{- end }}
{{- else }}
{{- if and $learning (eq .Values.kind "Deployment") }}
{{- fail (printf "kind: Deployment, but the models of %s learn: their state would move at each restart; use StatefulSet or auto" (join ", " (sortAlpha $learning))) }}
{{- end }}
{{- .Values.kind }}
{{- end }}
{{- end }}

{{/* Longer than a worker takes to stop: docs/operations.md, "Stopping, exit codes". */}}
{{- define "penstock.grace" -}}
{{- $file := include "penstock.pipeline" . | fromYaml }}
{{- $stop := get $file "shutdown_timeout_seconds" | default 30 }}
{{- if not (kindIs "float64" $stop) }}{{ $stop = toString $stop }}{{ end }}
{{- if .Values.terminationGracePeriodSeconds }}
{{- .Values.terminationGracePeriodSeconds }}
{{- else if and (kindIs "string" $stop) (not (regexMatch "^[0-9.]+$" $stop)) }}
{{- fail "shutdown_timeout_seconds comes from outside of the pipeline file: set terminationGracePeriodSeconds to it plus 10, or plus 20 where processes is not 1" }}
{{- else }}
{{- add (ceil (float64 $stop)) (eq (toString .Values.processes) "1" | ternary 10 20) }}
{{- end }}
{{- end }}

{{/* The ports of bootstrap.servers, as a YAML list. */}}
{{- define "penstock.kafkaPorts" -}}
{{- $servers := include "penstock.kafka" (dict "root" . "key" "bootstrap.servers") }}
{{- $ports := .Values.networkPolicy.kafkaPorts }}
{{- if not $ports }}
{{- range $server := splitList "," $servers }}
{{- $port := regexFind "[0-9]+$" (trim $server) }}
{{- if not $port }}
{{- fail (printf "networkPolicy: no port in bootstrap.servers (%s): list the brokers' ports in networkPolicy.kafkaPorts" $servers) }}
{{- end }}
{{- $ports = append $ports (int $port) }}
{{- end }}
{{- end }}
{{- toYaml (uniq $ports) }}
{{- end }}
