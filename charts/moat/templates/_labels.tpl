{{/*
The labels by which the operator's pods are found. The brokers' NetworkPolicy lets the pods with the first two come to
the admin port (OPERATOR_POD_LABELS in operator/src/build), so they are the same in every release.
*/}}
{{- define "moat.selector" -}}
app.kubernetes.io/name: moat
app.kubernetes.io/component: operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* The labels of every object of this chart. */}}
{{- define "moat.labels" -}}
{{ include "moat.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The tag of the operator's image, and of the brokers of new clusters. */}}
{{- define "moat.tag" -}}
{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
