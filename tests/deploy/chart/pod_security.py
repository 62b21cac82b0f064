"""Pod Security Standards, profile "restricted" (which includes "baseline"), as of Kubernetes 1.34."""

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
SELINUX = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
SYSCTLS = {
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
}
PROFILES = {"RuntimeDefault", "Localhost"}


def pod_of(document):
    """Metadata and spec of the pods that an object makes; nothing if it makes none."""
    if document["kind"] == "Pod":
        return document["metadata"], document["spec"]
    spec = document.get("spec", {})
    if document["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    template = spec.get("template") if document["kind"] in (
        "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob") else None
    return (template.get("metadata", {}), template["spec"]) if template else None


def containers_of(spec):
    return [container for kind in ("initContainers", "containers", "ephemeralContainers")
            for container in spec.get(kind) or []]


def problems(documents):
    found = []
    for document in documents:
        pod = pod_of(document)
        if pod is None:
            continue
        name = f"{document['kind']} {document['metadata']['name']}"
        found += [f"{name}: {problem}" for problem in _pod(*pod)]
    return found


def _pod(metadata, spec):
    context = spec.get("securityContext") or {}
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield f"{field} is set"
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield "is a host process"
    for volume in spec.get("volumes") or []:
        for kind in set(volume) - {"name"} - VOLUMES:
            yield f"volume {volume['name']} is a {kind}"
    for sysctl in context.get("sysctls") or []:
        if sysctl["name"] not in SYSCTLS:
            yield f"sysctl {sysctl['name']}"
    for key, value in (metadata.get("annotations") or {}).items():
        if key.startswith("container.apparmor.security.beta.kubernetes.io/") and not (
                value == "runtime/default" or value.startswith("localhost/")):
            yield f"AppArmor annotation {value}"
    yield from _profiles("pod", context)
    for container in containers_of(spec):
        yield from _container(container, context)


def _profiles(where, context):
    """What pods and containers state alike."""
    options = context.get("seLinuxOptions") or {}
    if options.get("type", "") not in SELINUX or options.get("user") or options.get("role"):
        yield f"{where}: seLinuxOptions {options}"
    for field in ("seccompProfile", "appArmorProfile"):
        profile = context.get(field)
        if profile is not None and profile.get("type") not in PROFILES:
            yield f"{where}: {field} {profile.get('type')}"
    if context.get("runAsUser") == 0:
        yield f"{where}: runAsUser is 0"


def _container(container, pod):
    name = f"container {container['name']}"
    context = container.get("securityContext") or {}
    capabilities = context.get("capabilities") or {}
    yield from _profiles(name, context)
    if context.get("privileged"):
        yield f"{name}: is privileged"
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield f"{name}: is a host process"
    if context.get("allowPrivilegeEscalation") is not False:
        yield f"{name}: allowPrivilegeEscalation is not false"
    if "ALL" not in (capabilities.get("drop") or []):
        yield f"{name}: does not drop ALL capabilities"
    for capability in set(capabilities.get("add") or []) - {"NET_BIND_SERVICE"}:
        yield f"{name}: adds capability {capability}"
    if context.get("runAsNonRoot", pod.get("runAsNonRoot")) is not True:
        yield f"{name}: runAsNonRoot is not true"
    if not (context.get("seccompProfile") or pod.get("seccompProfile")):
        yield f"{name}: has no seccompProfile"
    if context.get("procMount", "Default") != "Default":
        yield f"{name}: procMount {context['procMount']}"
    for port in container.get("ports") or []:
        if port.get("hostPort"):
            yield f"{name}: hostPort {port['hostPort']}"
    hooks = list((container.get("lifecycle") or {}).values())
    probes = [container.get(probe) or {} for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
    for action in hooks + probes:
        for kind in ("httpGet", "tcpSocket"):
            if (action.get(kind) or {}).get("host"):
                yield f"{name}: a probe or hook names a host"
