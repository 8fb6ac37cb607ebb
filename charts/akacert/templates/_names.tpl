{{- /* The usual rule: the release's name, with the chart's unless it is in there already. */ -}}
{{- define "akacert.name" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- /* Labels that select the pods of a component. There is one akacert in a namespace: its Lease has one name. */ -}}
{{- define "akacert.selector" -}}
app.kubernetes.io/name: akacert
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "akacert.labels" -}}
{{ include "akacert.selector" . }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "akacert.image" -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default .appVersion .tag }}
{{- end -}}
{{- end -}}

{{- /* What both Deployments have in common: `component`, `values` of it, `root`. */ -}}
{{- define "akacert.pod" -}}
metadata:
  labels:
    {{- include "akacert.selector" . | nindent 4 }}
    {{- with .root.Values.commonLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- with .values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "akacert.name" .root }}-{{ .component }}
  {{- with .root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .values.terminationGracePeriodSeconds }}
  terminationGracePeriodSeconds: {{ . }}
  {{- end }}
  {{- with .values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.topologySpread.keys }}
  topologySpreadConstraints:
    {{- range . }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: {{ $.values.topologySpread.whenUnsatisfiable }}
      labelSelector:
        matchLabels:
          {{- include "akacert.selector" $ | nindent 10 }}
    {{- end }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    seccompProfile: {type: RuntimeDefault}
  {{- with .values.extraVolumes }}
  volumes:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ .component }}
      image: {{ include "akacert.image" (merge (dict "appVersion" .root.Chart.AppVersion) .root.Values.image) }}
      {{- with .root.Values.image.pullPolicy }}
      imagePullPolicy: {{ . }}
      {{- end }}
      args:
        - {{ .component }}
        {{- with .values.logLevel }}
        - {{ printf "--log=%s" . | quote }}
        {{- end }}
        {{- with .values.logFormat }}
        - --log-format={{ . }}
        {{- end }}
        {{- range .flags }}
        - {{ quote . }}
        {{- end }}
        {{- range .values.extraArgs }}
        - {{ quote . }}
        {{- end }}
      env:
        - name: POD_NAMESPACE
          valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
        {{- if eq .component "operator" }}
        - name: POD_NAME
          valueFrom: {fieldRef: {fieldPath: metadata.name}}
        {{- end }}
        {{- with .values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with .values.extraVolumeMounts }}
      volumeMounts:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        {{- if eq .component "solver" }}
        - {name: http, containerPort: 8080}
        {{- end }}
        - {name: admin, containerPort: 8081}
      livenessProbe:
        httpGet: {path: /healthz, port: admin}
      readinessProbe:
        httpGet: {path: /readyz, port: admin}
        periodSeconds: 2
      resources:
        {{- toYaml .values.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
{{- end -}}

{{- define "akacert.serviceaccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "akacert.name" .root }}-{{ .component }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "akacert.labels" . | nindent 4 }}
  {{- with .values.serviceAccount.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- define "akacert.poddisruptionbudget" -}}
{{- if .values.podDisruptionBudget.enabled -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "akacert.name" .root }}-{{ .component }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "akacert.labels" . | nindent 4 }}
spec:
  maxUnavailable: {{ .values.podDisruptionBudget.maxUnavailable }}
  selector:
    matchLabels:
      {{- include "akacert.selector" . | nindent 6 }}
{{- end -}}
{{- end -}}

{{- /* The operator, as a subject of bindings. */ -}}
{{- define "akacert.operator" -}}
- kind: ServiceAccount
  name: {{ include "akacert.name" . }}-operator
  namespace: {{ .Release.Namespace }}
{{- end -}}

{{- /* What the operator may do in the namespaces of certificates. */ -}}
{{- define "akacert.namespacedrules" -}}
# Our kinds. `patch` is for finalizers and annotations; the operator never writes to spec.
- apiGroups: [akacert.io]
  resources: [akamaicertificates, akamaiaccounts]
  verbs: [get, list, watch, patch]
- apiGroups: [akacert.io]
  resources: [akamaicertificates/status, akamaiaccounts/status]
  verbs: [patch]
# An owner reference that blocks deletion needs this where OwnerReferencesPermissionEnforcement is on.
- apiGroups: [akacert.io]
  resources: [akamaicertificates/finalizers]
  verbs: [update]
# What publishes the tokens in the certificates' namespaces.
- apiGroups: [networking.k8s.io]
  resources: [ingresses]
  verbs: [get, list, watch, create, patch, delete]
# What publishes for HTTP-01 by Gateways, and for DNS-01 by external-dns. Kinds that the cluster lacks are not asked for.
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [externaldns.k8s.io]
  resources: [dnsendpoints]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch, create, patch, delete]
# An EndpointSlice that names its own addresses needs this where the API server guards it.
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices/restricted]
  verbs: [create]
{{- if .Values.rbac.handoff }}
# The ConfigMaps that spec.handoff names.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}
# Credentials of AkamaiAccounts, and TSIG keys. The watch is for metadata only; a value is read when something refers to it.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch]
{{- end -}}
