{{- define "perdure.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 44 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 44 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- define "perdure.operator" -}}
{{ include "perdure.name" . }}-operator
{{- end }}

{{- define "perdure.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "perdure.operator" .) }}
{{- else -}}
{{ required "serviceAccount.create is false: expected serviceAccount.name to name an existing one, received none" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{- define "perdure.image" -}}
{{- with .Values.image -}}
{{ with .registry }}{{ trimSuffix "/" . }}/{{ end }}{{ .repository }}
{{- if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end -}}
{{- end -}}
{{- end }}

{{- define "perdure.selector" -}}
app.kubernetes.io/name: perdure
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "perdure.labels" -}}
app.kubernetes.io/name: perdure
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: perdure
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- /* What the operator does, and no more: it writes no spec of a TrainingJob and reads no Secret, ConfigMap or Node. */}}
{{- define "perdure.rules" -}}
- apiGroups: [perdure.dev] # delete: spec.ttlSecondsAfterFinished
  resources: [trainingjobs]
  verbs: [get, list, watch, delete]
- apiGroups: [perdure.dev]
  resources: [trainingjobs/status]
  verbs: [patch]
- apiGroups: [perdure.dev] # to own Jobs where OwnerReferencesPermissionEnforcement is on, as in OpenShift
  resources: [trainingjobs/finalizers]
  verbs: [update]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""] # patch: a request to the trainer is an annotation of its pod
  resources: [pods]
  verbs: [get, list, watch, patch]
- apiGroups: [events.k8s.io] # patch: one event counts how often it was seen
  resources: [events]
  verbs: [create, patch]
{{- end }}
