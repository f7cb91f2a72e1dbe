{{- define "foresail.name" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/* Pipelines outlive a release, so what they refer to must not carry its name. */}}
{{- define "foresail.selector" -}}
app.kubernetes.io/name: foresail
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "foresail.labels" -}}
{{ include "foresail.selector" . }}
{{ include "foresail.common" . }}
{{- end -}}

{{- define "foresail.common" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: foresail
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{- define "foresail.simulator.selector" -}}
app.kubernetes.io/name: foresail
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: provider-simulator
{{- end -}}

{{- define "foresail.simulator.labels" -}}
{{ include "foresail.simulator.selector" . }}
{{ include "foresail.common" . }}
{{- end -}}

{{/* Hosts that provider accounts may name, by comma: the declared ones, and the simulator under each name of its Service. */}}
{{- define "foresail.providerHosts" -}}
{{- $hosts := (.Values.providers).allowedHosts | default list -}}
{{- if ((.Values.providers).simulator).enabled -}}
{{- $service := printf "foresail-provider-simulator.%s" .Release.Namespace -}}
{{- range $end := list "" ".svc" ".svc.cluster.local" -}}
{{- $hosts = append $hosts (printf "%s%s:8080" $service $end) -}}
{{- end -}}
{{- end -}}
{{- join "," $hosts -}}
{{- end -}}
