{{/*
The Deployment or DaemonSet, which the parent chart renders. Takes this chart's context with
the parent's image, turnSecret and credentialTTL.
*/}}
{{- define "coturn.workload" -}}
{{- $name := include "coturn.fullname" . }}
{{- $alone := and (eq .Values.kind "Deployment") (le (int .Values.replicas) 1) }}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $name }}
  namespace: {{ .Release.Namespace | quote }}
  labels:
    {{- include "coturn.labels" . | nindent 4 }}
data:
  config.yaml: |
    {{- include "coturn.config" . | nindent 4 }}
---
apiVersion: apps/v1
kind: {{ .Values.kind }}
metadata:
  name: {{ $name }}
  namespace: {{ .Release.Namespace | quote }}
  labels:
    {{- include "coturn.labels" . | nindent 4 }}
spec:
  {{- if eq .Values.kind "DaemonSet" }}
  updateStrategy:
    type: RollingUpdate
    # Two would fight for the node's ports.
    rollingUpdate: {maxSurge: 0, maxUnavailable: 1}
  {{- else }}
  replicas: {{ .Values.replicas | int }}
  strategy:
    {{- if not .Values.hostNetwork }}
    type: RollingUpdate
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
    {{- else if $alone }}
    # Two would fight for the node's ports.
    type: Recreate
    {{- else }}
    type: RollingUpdate
    rollingUpdate: {maxSurge: 0, maxUnavailable: 1}
    {{- end }}
  {{- end }}
  selector:
    matchLabels:
      {{- include "coturn.selectorLabels" . | nindent 6 }}
  template:
    # A restart cuts relayed media: nothing but coturn's own settings may change here.
    metadata:
      labels:
        {{- include "coturn.podLabels" . | nindent 8 }}
        {{- with .Values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      annotations:
        checksum/config: {{ include "coturn.config" . | sha256sum }}
        {{- with omit (.Values.podAnnotations | default dict) "checksum/config" }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ include "coturn.serviceAccountName" . }}
      {{- /* Its older name. The API server fills each from the other, and a rollback to a version
      that gives neither takes away what was given: of one alone the account would stay, and be gone. */}}
      serviceAccount: {{ include "coturn.serviceAccountName" . }}
      {{- if not (include "coturn.readsNode" .) }}
      automountServiceAccountToken: false
      {{- end }}
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds | int64 }}
      hostNetwork: {{ .Values.hostNetwork }}
      {{- if .Values.hostNetwork }}
      # Otherwise names of the cluster, such as a STUN server's, do not resolve.
      dnsPolicy: ClusterFirstWithHostNet
      {{- end }}
      {{- with .Values.dnsConfig }}
      dnsConfig:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.hostAliases }}
      hostAliases:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with concat ((.Values.global).imagePullSecrets | default list) (.Values.imagePullSecrets | default list) | uniq }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        {{- toYaml .Values.podSecurityContext | nindent 8 }}
      {{- with .Values.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.topologySpreadConstraints }}
      topologySpreadConstraints:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      containers:
        - name: coturn
          image: {{ .image }}
          imagePullPolicy: {{ .Values.image.pullPolicy }}
          # Why it ended, in kubectl describe pod.
          terminationMessagePolicy: FallbackToLogsOnError
          env:
            - name: ADDRESS
              valueFrom:
                fieldRef:
                  fieldPath: {{ .Values.hostNetwork | ternary "status.hostIP" "status.podIP" }}
            {{- if include "coturn.readsNode" . }}
            - name: NODE_NAME
              valueFrom:
                fieldRef:
                  fieldPath: spec.nodeName
            {{- end }}
            {{- with .Values.extraEnv }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          args:
            - --config=/etc/coturn/config/config.yaml
            - --secret=/etc/coturn/secret/secret
            {{- if .Values.tls.enabled }}
            - --certificate=/etc/coturn/tls
            {{- end }}
            - --folder=/run/coturn
            - --address=$(ADDRESS)
            {{- if include "coturn.readsNode" . }}
            - --node-name=$(NODE_NAME)
            {{- end }}
            - --metrics-bind-address=:{{ .Values.metrics.port | int }}
            # Nine tenths of the pod's own: the rest is for closing in order.
            - --grace-period={{ div (mul (.Values.terminationGracePeriodSeconds | int64) 900) 1000 }}s
            - --log-level={{ .Values.logLevel }}
          ports:
            - {name: turn-udp, containerPort: {{ .Values.port | int }}, protocol: UDP}
            - {name: turn-tcp, containerPort: {{ .Values.port | int }}, protocol: TCP}
            {{- if .Values.tls.enabled }}
            - {name: turn-tls, containerPort: {{ .Values.tls.port | int }}, protocol: TCP}
            {{- end }}
            - {name: {{ .Values.metrics.enabled | ternary "metrics" "health" }}, containerPort: {{ .Values.metrics.port | int }}, protocol: TCP}
          livenessProbe:
            httpGet: {path: /healthz, port: {{ .Values.metrics.port | int }}}
            periodSeconds: 20
            timeoutSeconds: 5
          readinessProbe:
            httpGet: {path: /readyz, port: {{ .Values.metrics.port | int }}}
            periodSeconds: 5
            timeoutSeconds: 5
          resources:
            {{- toYaml .Values.resources | nindent 12 }}
          securityContext:
            {{- toYaml .Values.securityContext | nindent 12 }}
          volumeMounts:
            - {name: config, mountPath: /etc/coturn/config, readOnly: true}
            - {name: secret, mountPath: /etc/coturn/secret, readOnly: true}
            {{- if .Values.tls.enabled }}
            - {name: tls, mountPath: /etc/coturn/tls, readOnly: true}
            {{- end }}
            - {name: run, mountPath: /run/coturn}
        {{- with .Values.extraContainers }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      volumes:
        - name: config
          configMap:
            name: {{ $name }}
        - name: secret
          secret:
            secretName: {{ .turnSecret }}
            defaultMode: 0440
            items:
              - {key: secret, path: secret}
        {{- if .Values.tls.enabled }}
        - name: tls
          secret:
            secretName: {{ .Values.tls.secretName }}
            defaultMode: 0440
            items:
              - {key: tls.crt, path: tls.crt}
              - {key: tls.key, path: tls.key}
        {{- end }}
        # turnserver's configuration, its copy of the certificate, and the database with the
        # shared secret. None is written to disk.
        - name: run
          emptyDir: {medium: Memory, sizeLimit: 16Mi}
{{- end -}}
