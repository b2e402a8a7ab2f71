//! What the OpenAPI schema does not say about Kubernetes' Go types: which optional scalars are
//! pointers (a zero is kept) and which are plain values (a zero is left out), and which structs, times
//! and lists are written even when they hold nothing.
//!
//! Each entry is `Type.field`, by the type's name in `k8s.io/api`.

/// Optional strings that are pointers: `""` is a value. All others are left out when empty.
pub(super) const POINTER_TEXTS: &[&str] = &[
    "AppArmorProfile.localhostProfile",
    "AzureDiskVolumeSource.cachingMode",
    "AzureDiskVolumeSource.fsType",
    "AzureDiskVolumeSource.kind",
    "CSIVolumeSource.fsType",
    "ClusterTrustBundleProjection.name",
    "ClusterTrustBundleProjection.signerName",
    "Container.restartPolicy",
    "ContainerStatus.stopSignal",
    "EphemeralContainer.restartPolicy",
    "HTTPGetAction.protocol",
    "HostPathVolumeSource.type",
    "ISCSIVolumeSource.initiatorName",
    "LeaseSpec.holderIdentity",
    "LeaseSpec.preferredHolder",
    "LeaseSpec.strategy",
    "Lifecycle.stopSignal",
    "LocalVolumeSource.fsType",
    "MutatingWebhook.failurePolicy",
    "MutatingWebhook.matchPolicy",
    "MutatingWebhook.reinvocationPolicy",
    "PersistentVolumeClaimSpec.storageClassName",
    "PersistentVolumeClaimSpec.volumeAttributesClassName",
    "PersistentVolumeClaimSpec.volumeMode",
    "PodDNSConfigOption.value",
    "PodResourceClaim.resourceClaimName",
    "PodResourceClaim.resourceClaimTemplateName",
    "PodSecurityContext.fsGroupChangePolicy",
    "PodSecurityContext.seLinuxChangePolicy",
    "PodSecurityContext.supplementalGroupsPolicy",
    "PodSpec.hostnameOverride",
    "PodSpec.preemptionPolicy",
    "PodSpec.runtimeClassName",
    "PriorityClass.preemptionPolicy",
    "RuleWithOperations.scope",
    "SeccompProfile.localhostProfile",
    "SecurityContext.procMount",
    "EndpointPort.appProtocol",
    "EndpointPort.name",
    "EndpointPort.protocol",
    "Endpoint.hostname",
    "Endpoint.nodeName",
    "Endpoint.zone",
    "ServicePort.appProtocol",
    "ServiceReference.path",
    "ServiceSpec.internalTrafficPolicy",
    "ServiceSpec.ipFamilyPolicy",
    "ServiceSpec.loadBalancerClass",
    "TopologySpreadConstraint.nodeAffinityPolicy",
    "TopologySpreadConstraint.nodeTaintsPolicy",
    "TypedLocalObjectReference.apiGroup",
    "TypedObjectReference.apiGroup",
    "TypedObjectReference.namespace",
    "ValidatingWebhook.failurePolicy",
    "ValidatingWebhook.matchPolicy",
    "VolumeMount.mountPropagation",
    "VolumeMount.recursiveReadOnly",
    "VolumeMountStatus.recursiveReadOnly",
    "WebhookClientConfig.url",
    "WebhookConversion.strategy",
    "WindowsSecurityContextOptions.gmsaCredentialSpec",
    "WindowsSecurityContextOptions.gmsaCredentialSpecName",
    "WindowsSecurityContextOptions.runAsUserName",
];

/// Lists that may not be set at all, so that an empty one must be seen to be refused (`reflect.DeepEqual` with nil), and
/// the one that is reset by an empty one.
pub(super) const KEPT_LISTS: &[&str] = &[
    "EphemeralContainer.ports",
    "EphemeralContainer.resizePolicy",
    "EphemeralContainer.restartPolicyRules",
    "ObjectMeta.managedFields",
];

/// Optional booleans that are plain values: `false` is left out. All others are pointers.
pub(super) const PLAIN_BOOLS: &[&str] = &[
    "Container.stdin",
    "Container.stdinOnce",
    "Container.tty",
    "EphemeralContainer.stdin",
    "EphemeralContainer.stdinOnce",
    "EphemeralContainer.tty",
    "NodeSpec.unschedulable",
    "PodSpec.hostIPC",
    "PodSpec.hostNetwork",
    "PodSpec.hostPID",
    "PriorityClass.globalDefault",
    "APIServiceSpec.insecureSkipTLSVerify",
    "ServiceSpec.publishNotReadyAddresses",
    "VolumeMount.readOnly",
    "VolumeMountStatus.readOnly",
];

/// Types of volumes whose `readOnly` is a pointer; in all other volume sources it is a plain value.
pub(super) const POINTER_READ_ONLY: &[&str] = &["AzureDiskVolumeSource", "CSIVolumeSource"];

/// Optional integers that are plain values: `0` is left out. All others are pointers.
pub(super) const PLAIN_INTEGERS: &[&str] = &[
    "AWSElasticBlockStoreVolumeSource.partition",
    "ContainerImage.sizeBytes",
    "ContainerPort.hostPort",
    "ContainerStateTerminated.signal",
    "Event.count",
    "Event.deprecatedCount",
    "GCEPersistentDiskVolumeSource.partition",
    "ObjectMeta.generation",
    "PodCondition.observedGeneration",
    "PodStatus.observedGeneration",
    "Probe.failureThreshold",
    "Probe.initialDelaySeconds",
    "Probe.periodSeconds",
    "Probe.successThreshold",
    "Probe.timeoutSeconds",
    "ServicePort.nodePort",
    "ServiceSpec.healthCheckNodePort",
];

/// Structs held by value: written as `{}` (with what they must hold) when absent.
pub(super) const STRUCTS: &[&str] = &[
    "Container.resources",
    "ContainerStatus.lastState",
    "ContainerStatus.state",
    "EphemeralContainer.resources",
    "Event.deprecatedSource",
    "Event.regarding",
    "Event.source",
    "Lease.spec",
    "MutatingWebhook.clientConfig",
    "Namespace.spec",
    "Namespace.status",
    "Node.spec",
    "Node.status",
    "NodeDaemonEndpoints.kubeletEndpoint",
    "NodeStatus.daemonEndpoints",
    "NodeStatus.nodeInfo",
    "NetworkPolicy.spec",
    "PersistentVolumeClaimSpec.resources",
    "PodDisruptionBudget.spec",
    "PodDisruptionBudget.status",
    "Pod.spec",
    "Pod.status",
    "PodTemplate.template",
    "PodTemplateSpec.metadata",
    "PodTemplateSpec.spec",
    "APIService.spec",
    "APIService.status",
    "Endpoint.conditions",
    "Service.spec",
    "Service.status",
    "ServiceStatus.loadBalancer",
    "ValidatingWebhook.clientConfig",
];

/// Times, lists and maps written as `null` when absent.
pub(super) const NULLS: &[&str] = &[
    "ClusterRole.rules",
    "ContainerStateRunning.startedAt",
    "ContainerStateTerminated.finishedAt",
    "ContainerStateTerminated.startedAt",
    "EndpointSlice.ports",
    "Event.deprecatedFirstTimestamp",
    "Event.deprecatedLastTimestamp",
    "Event.eventTime",
    "Event.firstTimestamp",
    "Event.lastTimestamp",
    "APIServiceCondition.lastTransitionTime",
    "NamespaceCondition.lastTransitionTime",
    "NodeCondition.lastHeartbeatTime",
    "NodeCondition.lastTransitionTime",
    "PodCondition.lastProbeTime",
    "PodCondition.lastTransitionTime",
    "PolicyRule.verbs",
    "Role.rules",
];

/// Strings written as `""` when absent, though the schema calls them optional.
pub(super) const TEXTS: &[&str] = &["Event.reportingComponent", "Event.reportingInstance"];

/// Quantities held by value: written as `"0"` when absent.
pub(super) const QUANTITIES: &[&str] = &["ResourceFieldSelector.divisor"];
