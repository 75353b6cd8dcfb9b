"""The fields that Kubernetes has and labkit does not read, of each part that it reads.

With these and its own fields a part's names are complete, so any other name is a mistake.

Source: kubernetes v1.36 api/openapi-spec/swagger.json, the definitions of core/v1, apps/v1,
discovery.k8s.io/v1 and meta/v1.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from labkit.manifest.kinds import base, kubernetes, services

KUBERNETES_VERSION: Final = "1.36"
_HEAD: Final = "apiVersion kind"
_UNREAD: Final[dict[type[Struct], str]] = {
    base.ObjectMeta: """
        deletionGracePeriodSeconds finalizers generateName generation managedFields
        resourceVersion selfLink""",
    base.OwnerReference: "apiVersion blockOwnerDeletion controller uid",
    kubernetes.Namespace: f"{_HEAD} spec status",
    kubernetes.NodeObject: _HEAD,
    kubernetes.NodeSpec: "configSource externalID providerID taints unschedulable",
    kubernetes.NodeStatus: """
        allocatable capacity config daemonEndpoints declaredFeatures features images nodeInfo phase
        runtimeHandlers volumesAttached volumesInUse""",
    kubernetes.Condition: """
        lastHeartbeatTime lastProbeTime lastTransitionTime message observedGeneration reason""",
    kubernetes.Pod: _HEAD,
    kubernetes.PodSpec: """
        activeDeadlineSeconds affinity automountServiceAccountToken dnsConfig dnsPolicy
        enableServiceLinks ephemeralContainers hostAliases hostIPC hostPID hostUsers hostname
        hostnameOverride imagePullSecrets nodeSelector os overhead preemptionPolicy priority
        priorityClassName readinessGates resourceClaims resources restartPolicy runtimeClassName
        schedulerName schedulingGates schedulingGroup securityContext serviceAccount
        serviceAccountName setHostnameAsFQDN shareProcessNamespace subdomain
        terminationGracePeriodSeconds tolerations topologySpreadConstraints volumes""",
    kubernetes.Container: """
        envFrom imagePullPolicy lifecycle livenessProbe readinessProbe resizePolicy resources
        restartPolicy restartPolicyRules securityContext startupProbe stdin stdinOnce
        terminationMessagePath terminationMessagePolicy tty volumeDevices volumeMounts
        workingDir""",
    kubernetes.EnvVar: "valueFrom",
    kubernetes.PodStatus: """
        allocatedResources ephemeralContainerStatuses extendedResourceClaimStatus hostIPs
        initContainerStatuses message nodeAllocatableResourceClaimStatuses nominatedNodeName
        observedGeneration qosClass reason resize resourceClaimStatuses resources startTime""",
    kubernetes.ContainerStatus: """
        allocatedResources allocatedResourcesStatus containerID image imageID lastState name
        resources restartCount started state stopSignal user volumeMounts""",
    kubernetes.Workload: f"{_HEAD} status",
    kubernetes.WorkloadSpec: """
        minReadySeconds paused progressDeadlineSeconds revisionHistoryLimit strategy""",
    services.Service: _HEAD,
    services.ServiceSpec: "ipFamilies ipFamilyPolicy loadBalancerClass loadBalancerIP",
    services.ServicePort: "appProtocol",
    services.ServiceStatus: "conditions",
    services.LoadBalancerIngress: "ports",
    services.EndpointSlice: _HEAD,
    services.EndpointEntry: "deprecatedTopology hostname",
    services.ObjectReference: "apiVersion fieldPath resourceVersion uid",
    services.EndpointPort: "appProtocol",
}


def unread_fields(part: type[Struct]) -> tuple[str, ...]:
    """Return the names that Kubernetes has in this part and labkit does not read."""
    return tuple(_UNREAD.get(part, "").split())
