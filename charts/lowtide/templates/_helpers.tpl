{{/* Names. The 63 characters of a label are the ceiling of every one of them. */}}
{{- define "lowtide.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "lowtide.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "lowtide.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "lowtide.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "lowtide.operator.fullname" -}}{{ include "lowtide.fullname" . }}-operator{{- end }}
{{- define "lowtide.exporter.fullname" -}}{{ include "lowtide.fullname" . }}-exporter{{- end }}

{{- define "lowtide.operator.serviceAccountName" -}}
{{- default (include "lowtide.operator.fullname" .) .Values.operator.serviceAccount.name }}
{{- end }}
{{- define "lowtide.exporter.serviceAccountName" -}}
{{- default (include "lowtide.exporter.fullname" .) .Values.exporter.serviceAccount.name }}
{{- end }}

{{/* Labels. A selector never changes between versions, so the chart's version stays out of it.
     Call with (dict "root" . "component" "operator"). */}}
{{- define "lowtide.selectorLabels" -}}
app.kubernetes.io/name: {{ include "lowtide.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "lowtide.labels" -}}
{{ include "lowtide.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: lowtide
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Image reference: a digest wins over a tag, the tag defaults to the chart's appVersion.
     Call with (dict "root" . "image" .Values.operator.image). */}}
{{- define "lowtide.image" -}}
{{- $registry := .root.Values.image.registry -}}
{{- $name := .image.repository -}}
{{- if $registry }}{{ $name = printf "%s/%s" (trimSuffix "/" $registry) $name }}{{ end -}}
{{- if .image.digest }}{{ printf "%s@%s" $name .image.digest }}
{{- else }}{{ printf "%s:%s" $name (default .root.Chart.AppVersion .image.tag) }}{{ end -}}
{{- end }}

{{- define "lowtide.imagePullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Where Secrets are mounted, and the directory of one of them. */}}
{{- define "lowtide.credentialsPath" -}}/etc/lowtide/credentials{{- end }}

{{/* Where the operator keeps what it saw of the grid. */}}
{{- define "lowtide.historyPath" -}}/var/lib/lowtide/history{{- end }}

{{/* Where the reference sets of ratings are mounted. */}}
{{- define "lowtide.referencesPath" -}}/etc/lowtide/references{{- end }}

{{/* The settings file: the user's values, and the fields that the chart itself decides. */}}
{{- define "lowtide.settings" -}}
{{- $settings := deepCopy .Values.settings }}
{{- if ($settings.cluster | default dict).namespaces }}
{{- fail "settings.cluster.namespaces is set: use watchNamespaces, which also makes the Roles" }}
{{- end }}
{{- if .Values.watchNamespaces }}
{{- $cluster := merge (dict "namespaces" .Values.watchNamespaces) ($settings.cluster | default dict) }}
{{- $_ := set $settings "cluster" $cluster }}
{{- end }}
{{- if ($settings.workloads | default dict).kinds }}
{{- fail "settings.workloads.kinds is set: use workloads.kinds, which also gives the rights" }}
{{- end }}
{{- if ($settings.workloads | default dict).pauseQueued }}
{{- fail "settings.workloads.pauseQueued is set: use workloads.pauseQueued, which also gives the right" }}
{{- end }}
{{- if ($settings.workloads | default dict).admissionCheck }}
{{- fail "settings.workloads.admissionCheck is set: use workloads.admissionCheck, which also gives the rights" }}
{{- end }}
{{- if ($settings.dispatcher | default dict).enabled }}
{{- fail "settings.dispatcher.enabled is set: use dispatcher.enabled, which also gives the rights" }}
{{- end }}
{{- if .Values.dispatcher.enabled }}
{{- $_ := set $settings "dispatcher" (merge (dict "enabled" true) ($settings.dispatcher | default dict)) }}
{{- end }}
{{- $workloads := merge (dict "kinds" .Values.workloads.kinds) ($settings.workloads | default dict) }}
{{- if .Values.workloads.pauseQueued.enabled }}
{{- $_ := set $workloads "pauseQueued" true }}
{{- end }}
{{- if and .Values.workloads.kinds .Values.workloads.admissionCheck.enabled }}
{{- $_ := set $workloads "admissionCheck" .Values.workloads.admissionCheck.name }}
{{- end }}
{{- $_ := set $settings "workloads" $workloads }}
{{- if not $settings.historyDirectory }}
{{- $_ := set $settings "historyDirectory" (include "lowtide.historyPath" .) }}
{{- end }}
{{- if and .Values.referenceSets.configMap (not ($settings.rating | default dict).directory) }}
{{- $rating := merge (dict "directory" (include "lowtide.referencesPath" .)) ($settings.rating | default dict) }}
{{- $_ := set $settings "rating" $rating }}
{{- end }}
{{- if .Values.directScrape.enabled }}
{{- if not .Values.exporter.enabled }}
{{- fail "directScrape.enabled is true and exporter.enabled false: there is nothing to scrape" }}
{{- end }}
{{- if ($settings.prometheus | default dict).url }}
{{- fail "directScrape.enabled is true and settings.prometheus.url set: samples come from one of them" }}
{{- end }}
{{- $url := printf "http://%s.%s.svc:9400/metrics" (include "lowtide.exporter.fullname" .) .Release.Namespace }}
{{- $_ := set $settings "exporters" (merge (dict "url" $url) ($settings.exporters | default dict)) }}
{{- end }}
{{- $store := $settings.prometheus | default dict }}
{{- if and .Values.exporter.enabled .Values.monitoring.serviceMonitor.enabled $store.url (not (hasKey $store "exporterLabels")) }}
{{- $job := dict "exporterLabels" (dict "job" (include "lowtide.exporter.fullname" .)) }}
{{- $_ := set $settings "prometheus" (merge $job $store) }}
{{- end }}
{{- if .Values.operator.metricsAuthentication.enabled }}
{{- $_ := set $settings "server" (merge (dict "metricsAuthentication" true) ($settings.server | default dict)) }}
{{- end }}
{{- if .Values.exporter.enabled }}
{{- $settle := ($settings.measurement | default dict).settleSeconds | default 180 | float64 }}
{{- $interval := .Values.exporter.scrapeIntervalSeconds | float64 }}
{{- $kept := maxf (.Values.exporter.retainSeconds | float64) (mulf 3 $interval) }}
{{- if .Values.directScrape.enabled }}
{{- $interval = $settings.exporters.scrapeIntervalSeconds | default 15 | float64 }}
{{- end }}
{{- if lt $kept (addf $settle (mulf 2 $interval)) }}
{{- fail (printf "exporter.retainSeconds is %v: the operator waits up to %v s (settings.measurement.settleSeconds) for final figures that are scraped each %v s, so keep them for at least %v s" .Values.exporter.retainSeconds $settle $interval (addf $settle (mulf 2 $interval))) }}
{{- end }}
{{- end }}
{{- toYaml $settings }}
{{- end }}

{{/* The part of the settings that takes effect only at a start of the operator. */}}
{{- define "lowtide.restartSettings" -}}
{{- $settings := include "lowtide.settings" . | fromYaml }}
{{- omit $settings "capacityGpus" "defaultZone" "embodied" "measurement" "price" "pue" "rating" "schedule" "uncertainty" | toYaml }}
{{- end }}

{{/* The rules that the operator needs in each namespace whose jobs it runs. */}}
{{- define "lowtide.operator.rules" -}}
- apiGroups: [lowtide.dev]
  resources: [trainingjobs]
  # delete: spec.ttlSecondsAfterFinished asks for it.
  verbs: [get, list, watch, delete]
- apiGroups: [lowtide.dev]
  resources: [trainingjobs/status]
  verbs: [update]
# The owner-reference admission check asks for this before a Job may name its TrainingJob.
- apiGroups: [lowtide.dev]
  resources: [trainingjobs/finalizers]
  verbs: [update]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch]
# The trainer's report is the termination message, which only the Pod carries.
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
- apiGroups: [events.k8s.io]
  resources: [events]
  # list: only an Event says why the Job controller cannot create pods.
  verbs: [create, list]
# The claim on a namespace: of two releases only one writes there. `create` cannot name it.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [lowtide-writer]
  verbs: [get, update]
{{- end }}

{{- /* Objects that the exporter asks for their owner, as its setting takes them. */ -}}
{{- define "lowtide.exporter.ownerResources" -}}
{{- $entries := list -}}
{{- range .Values.exporter.ownerResources -}}
{{- $entries = append $entries (printf "%s/%s=%s" .group .kind .resource) -}}
{{- end -}}
{{- join "," $entries -}}
{{- end }}

{{/* Group and resource of each kind of workload in use, as YAML; fails for one that is unknown. */}}
{{- define "lowtide.workloads.resources" -}}
{{- $known := dict
  "Job" (dict "group" "batch" "version" "v1" "plural" "jobs")
  "JobSet" (dict "group" "jobset.x-k8s.io" "version" "v1alpha2" "plural" "jobsets")
  "TrainJob" (dict "group" "trainer.kubeflow.org" "version" "v1alpha1" "plural" "trainjobs")
  "PyTorchJob" (dict "group" "kubeflow.org" "version" "v1" "plural" "pytorchjobs")
  "RayJob" (dict "group" "ray.io" "version" "v1" "plural" "rayjobs") }}
{{- range (.Values.settings.workloads | default dict).custom }}
{{- $_ := set $known .kind (dict "group" .group "version" .version "plural" .plural) }}
{{- end }}
{{- $used := dict }}
{{- range .Values.workloads.kinds }}
{{- if not (hasKey $known .) }}
{{- fail (printf "workloads.kinds names %q, which is neither %s nor in settings.workloads.custom" . (keys $known | sortAlpha | join ", ")) }}
{{- end }}
{{- $_ := set $used . (get $known .) }}
{{- end }}
{{- toYaml $used }}
{{- end }}

{{/* The rights for workloads that somebody else wrote: only for the kinds that are listed. */}}
{{- define "lowtide.workloads.rules" -}}
{{- range $kind, $one := include "lowtide.workloads.resources" . | fromYaml }}
- apiGroups: [{{ $one.group | quote }}]
  resources: [{{ $one.plural }}]
  # patch: the flag that suspends it, and our mark.
  verbs: [get, list, watch, patch]
{{- end }}
{{- if and .Values.workloads.kinds .Values.workloads.pauseQueued.enabled }}
# A queued workload is paused by the field `active` of Kueue's object for it.
- apiGroups: [kueue.x-k8s.io]
  resources: [workloads]
  verbs: [list, patch]
{{- end }}
{{- if and .Values.workloads.kinds .Values.workloads.admissionCheck.enabled }}
# Every workload of a queue with our check is told at once that it may start, unless it is paused.
- apiGroups: [kueue.x-k8s.io]
  resources: [workloads]
  verbs: [get, list, watch]
- apiGroups: [kueue.x-k8s.io]
  resources: [workloads/status]
  verbs: [patch]
{{- end }}
{{- if .Values.workloads.kinds }}
# A labelled workload gets a TrainingJob, and its annotations are taken over when they change.
- apiGroups: [lowtide.dev]
  resources: [trainingjobs]
  verbs: [create, patch]
# Defaults are annotations of the namespace.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
{{- end }}
{{- end }}

{{/* Annotations of what runs after an uninstall and goes when it has ended; the weight orders them. */}}
{{- define "lowtide.release.hook" -}}
helm.sh/hook: post-delete
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}
