"""Every checker must refuse what it is there for: renderings that are right, each broken in one place."""

import copy

import meaning
import pod_security
import schemas
from manifests import CHART, ValueSet, of_kind, parse
from pods import Pod

REMOVED = object()
POD = "spec template spec"
CONTAINER = f"{POD} containers 0"

# Value set, kind of the object (its first one, or that with the suffix behind `/`), place, what is put there, and a
# part of the sentence that must come.
SCHEMAS = [
    ("default", "Deployment", f"{POD} terminationGracePeriodSecond", 3, "was unexpected"),
    ("default", "Deployment", f"{CONTAINER} livenesProbe", {}, "was unexpected"),
    ("default", "Deployment", "spec replicas", "two", "is not of type"),
    ("default", "Deployment", "spec selector", REMOVED, "'selector' is a required property"),
    ("default", "NetworkPolicy", "spec ingres", [], "was unexpected"),
    ("default", "Service", "apiVersion", "v2", "does not know v2 Service"),
    ("autoscaling", "HorizontalPodAutoscaler", "apiVersion", "autoscaling/v2beta1", "does not know"),
]
CUSTOM = [
    ("split-cert-manager", "Certificate", "spec durations", "1h", "unknown field spec.durations"),
    ("split-cert-manager", "Certificate", "spec privateKey algorithms", "RSA",
     "unknown field spec.privateKey.algorithms"),
    ("split-cert-manager", "Certificate", "spec usages", ["everything"], "must be equal to one of the allowed values"),
    ("split-cert-manager", "Certificate", "spec issuerRef", REMOVED, "must have required property issuerRef"),
    ("gateway-api", "HTTPRoute", "spec hostname", "a", "unknown field spec.hostname"),
    ("gateway-api", "HTTPRoute", "spec rules 0 matches 0 path type", "exact",
     "must be equal to one of the allowed values"),
    ("monitoring", "ServiceMonitor", "spec endpoints 0 intervall", "1s", "unknown field spec.endpoints.0.intervall"),
    ("monitoring", "PrometheusRule", "spec groups 0 rules 0 fore", "1m", "unknown field spec.groups.0.rules.0.fore"),
]
SECURITY = [
    ("default", "Deployment", f"{POD} hostNetwork", True, "hostNetwork is set"),
    ("default", "Deployment", f"{POD} hostPID", True, "hostPID is set"),
    ("default", "Deployment", f"{POD} volumes 0 hostPath", {"path": "/"}, "is a hostPath"),
    ("default", "Deployment", f"{POD} securityContext runAsNonRoot", REMOVED, "runAsNonRoot is not true"),
    ("default", "Deployment", f"{POD} securityContext runAsUser", 0, "runAsUser is 0"),
    ("default", "Deployment", f"{POD} securityContext seccompProfile", REMOVED, "has no seccompProfile"),
    ("default", "Deployment", f"{POD} securityContext seccompProfile type", "Unconfined", "seccompProfile Unconfined"),
    ("default", "Deployment", f"{POD} securityContext appArmorProfile", {"type": "Unconfined"},
     "appArmorProfile Unconfined"),
    ("default", "Deployment", f"{POD} securityContext sysctls", [{"name": "kernel.msgmax"}], "sysctl kernel.msgmax"),
    ("default", "Deployment", f"{POD} securityContext seLinuxOptions", {"type": "spc_t"}, "seLinuxOptions"),
    ("default", "Deployment", f"{CONTAINER} securityContext allowPrivilegeEscalation", REMOVED, "is not false"),
    ("default", "Deployment", f"{CONTAINER} securityContext privileged", True, "is privileged"),
    ("default", "Deployment", f"{CONTAINER} securityContext capabilities drop", ["NET_RAW"], "does not drop ALL"),
    ("default", "Deployment", f"{CONTAINER} securityContext capabilities add", ["SYS_PTRACE"],
     "adds capability SYS_PTRACE"),
    ("default", "Deployment", f"{CONTAINER} securityContext procMount", "Unmasked", "procMount Unmasked"),
    ("default", "Deployment", f"{CONTAINER} ports 0 hostPort", 9464, "hostPort 9464"),
    ("default", "Deployment", f"{CONTAINER} livenessProbe httpGet host", "169.254.169.254", "names a host"),
    ("default", "Deployment", f"{POD} initContainers", [{"name": "first"}], "container first: does not drop ALL"),
    ("default", "Pod", "spec securityContext runAsNonRoot", False, "runAsNonRoot is not true"),
]
MEANING = [
    ("default", "Deployment", f"{CONTAINER} volumeMounts 0 subPath", "server.yaml", "by subPath"),
    ("default", "Deployment", f"{CONTAINER} volumeMounts 1 readOnly", REMOVED, "something writable"),
    ("default", "Deployment", f"{CONTAINER} volumeMounts 1", REMOVED, "volumes and mounts differ"),
    ("default", "Deployment", f"{POD} volumes 1 secret defaultMode", 0o444, "is not of mode 0440"),
    ("default", "Deployment", f"{POD} automountServiceAccountToken", True, "mounts its service account's token"),
    ("default", "ServiceAccount", "automountServiceAccountToken", True, "mounts its token"),
    ("default", "Deployment", "spec selector matchLabels app.kubernetes.io/component", "other", "selects other pods"),
    ("default", "Deployment", f"{POD} terminationGracePeriodSeconds", 32, "is killed after 32 s, but needs 33"),
    ("slow-stop", "Deployment", f"{POD} terminationGracePeriodSeconds", 165, "is killed after 165 s, but needs 166"),
    ("split-cert-manager", "Deployment/-server", "spec minReadySeconds", 36, "before callers know the new ones"),
    ("default", "Deployment", f"{CONTAINER} readinessProbe httpGet path", "/livez", "readinessProbe is not /readyz"),
    ("default", "Deployment", f"{CONTAINER} livenessProbe httpGet port", "http", "livenessProbe is not /livez"),
    ("default", "Deployment", f"{CONTAINER} resources limits cpu", "1", "has a limit of CPU"),
    ("default", "Deployment", f"{CONTAINER} resources limits memory", REMOVED, "no request or limit of memory"),
    ("default", "Deployment", f"{CONTAINER} securityContext readOnlyRootFilesystem", False, "can write to its root"),
    ("default", "Deployment", f"{POD} topologySpreadConstraints 1 labelSelector matchLabels a", "b",
     "spreads other pods"),
    ("default", "Deployment", "spec strategy rollingUpdate maxUnavailable", 1, "before there are new ones"),
    ("default", "Deployment", f"{CONTAINER} ports 0 containerPort", 9465, "but listens on"),
    ("default", "Deployment", "spec replicas", 1, "1 pods and 1 disruption budgets"),
    ("default", "PodDisruptionBudget", "spec selector matchLabels a", "b", "2 pods and 0 disruption budgets"),
    ("autoscaling", "Deployment", "spec replicas", 2, "either a number of replicas or an autoscaler"),
    ("default", "ConfigMap", "metadata namespace", "other", "in several namespaces"),
    ("default", "ConfigMap", "metadata name", "other", "its ConfigMap is not there"),
    ("split-cert-manager", "ServiceAccount/-server", "metadata name", "tokens-livekit-token-service-gateway",
     "is there twice"),
    ("default", "Service", "metadata name", "x" * 64, "name is longer than 63"),
    ("default", "Service", "spec ports 0 targetPort", "web", "there is no port web"),
    ("default", "Service", "spec selector app.kubernetes.io/component", "web", "selects no pods"),
    ("https", "Service", "spec ports 0 appProtocol", "http", "wrong appProtocol"),
    ("split-cert-manager", "Service/-grpc", "spec clusterIP", REMOVED, "must be headless"),
    ("split-cert-manager", "Service/-grpc", "spec publishNotReadyAddresses", True, "must be headless"),
    ("split-cert-manager", "Service/-grpc", "spec ports 0 port", 443, "must have the pods' own port"),
    ("monitoring", "Service/-metrics", "metadata labels app.kubernetes.io/component", "x",
     "does not reach every component"),
    ("default", "NetworkPolicy", "spec policyTypes", ["Ingress"], "leaves a direction open"),
    ("default", "NetworkPolicy", "spec ingress 1 from", REMOVED, "anybody reaches admin"),
    ("split-cert-manager", "NetworkPolicy/-server", "spec ingress 0 from", [], "anybody reaches grpc"),
    ("default", "NetworkPolicy", "spec ingress 0", REMOVED, "nobody reaches http"),
    ("default", "NetworkPolicy", "spec egress 1", REMOVED, "opens [], but [443] are asked"),
    ("no-egress", "NetworkPolicy", "spec egress 0 to", REMOVED, "opens [53], but [] are asked"),
    ("split-cert-manager", "NetworkPolicy/-server", "spec ingress 0 from 0 podSelector matchLabels a", "b",
     "does not let the"),
    ("split-cert-manager", "NetworkPolicy/-gateway", "spec egress 1 ports 0 port", 443, "does not let the gateway"),
    ("split-cert-manager", "NetworkPolicy/-gateway", "spec egress 1 to 0 podSelector matchLabels a", "b",
     "does not let the"),
    ("default", "NetworkPolicy", "spec podSelector matchLabels a", "b", "is selected by 0 network policies"),
    ("ingress", "Ingress", "spec rules 0 http paths 0 pathType", "Prefix", "does not lead the token paths"),
    ("ingress", "Ingress", "spec rules 1 http paths 0 backend service port name", "web",
     "does not lead the token paths"),
    ("gateway-api", "HTTPRoute", "spec rules 0 matches 0 path value", "/", "does not lead the token paths"),
    ("gateway-api", "HTTPRoute", "spec rules 0 backendRefs 0 port", 8080, "does not lead the token paths"),
    ("split-cert-manager", "Service/-grpc", "metadata name", "other", "no headless Service of the server"),
    ("split-cert-manager", "Certificate/-server-tls", "spec dnsNames", ["other"], "server's certificate is not for"),
    ("programs", "Certificate", "spec dnsNames", ["other"], "its certificate is not for"),
    ("split-cert-manager", "Certificate/-gateway-tls", "spec uris", ["spiffe://x"], "gateway's certificate is not for"),
    ("split-cert-manager", "Certificate/-gateway-tls", "spec secretName", "other", "its certificate is not made"),
    ("split-service-account", "Deployment/-gateway", f"{POD} serviceAccountName", "other", "but the gateway is"),
]
# The configuration that the pods read, and the volumes that they read it from.
PROGRAMS = [
    ("default", "ConfigMap", "data server.yaml", "policy: []\n", "--check_config"),
    ("default", "Deployment", f"{POD} volumes 1 secret defaultMode", 0o444, "others may access the file"),
    ("default", "Deployment", f"{POD} volumes 1 secret defaultMode", 0o400, "/etc/livekit-token/keys/keys.yaml"),
    ("default", "Deployment", f"{CONTAINER} volumeMounts 1 mountPath", "/etc/elsewhere", "but no volume has it"),
    ("default", "Deployment", f"{CONTAINER} args", ["--conf=x"], "--check_config"),
    ("default", "Deployment", f"{CONTAINER} command", ["/opt/livekit-token-server"], "--check_config"),
]


def _break(documents, which, place, value):
    """The documents with one object changed; `documents` stay as they are."""
    documents = copy.deepcopy(documents)
    kind, _, suffix = which.partition("/")
    target = next(one for one in of_kind(documents, kind) if one["metadata"]["name"].endswith(suffix))
    *path, last = [int(part) if part.isdigit() else part for part in place.split()]
    for part in path:
        target = target[part]
    if value is REMOVED:
        del target[last]
    else:
        target[last] = value
    return documents


def run(report, tools, work, programs, credentials):
    rendered = {}

    def documents_of(name):
        if name not in rendered:
            values = ValueSet(CHART / f"ci/{name}-values.yaml")
            rendered[name] = parse(tools.template([values.path], more=values.more))
        return rendered[name]

    def check_programs(documents):
        workload = meaning.workloads(documents)[0]
        return Pod(workload, documents, work / "pods/selftest", credentials).check_config(programs)

    checkers = [(f"schemas of Kubernetes {version}", SCHEMAS, lambda documents, version=version:
                 schemas.problems(documents, version)) for version in schemas.VERSIONS]
    checkers += [
        ("schemas of custom resources", CUSTOM, lambda documents: schemas.custom_problems(documents, work)),
        ("Pod Security restricted", SECURITY, pod_security.problems),
        ("meaning", MEANING, meaning.problems),
        ("--check_config", PROGRAMS, check_programs),
    ]
    for name, table, check in checkers:
        missed = []
        for values, which, place, value, expected in table:
            said = check(_break(documents_of(values), which, place, value))
            if not any(expected in problem for problem in said):
                missed.append(f"{values}: {which}: {place}: {'removed' if value is REMOVED else value}: said {said}")
        report.say(f"selftest: {name} refuses {len(table)} broken renderings", missed)
    stranger = _break(documents_of("split-cert-manager"), "Certificate/-gateway-tls", "spec uris", ["spiffe://other/a"])
    gateway, server = (Pod(workload, stranger, work / "pods/selftest" / workload.program, credentials)
                       for workload in meaning.workloads(stranger))
    said = gateway.relay_to(server, programs, [401, "AUTHENTICATION_REQUIRED"])
    report.say("selftest: a gateway with another name in its certificate is not let in",
               [] if any("answers 500" in problem for problem in said) else [f"said {said}"])
    report.say("selftest: meaning refuses keys in a ConfigMap", [] if _finds_keys(documents_of) else ["it does not"])


def _finds_keys(documents_of):
    documents = copy.deepcopy(documents_of("created-secret"))
    keys, = of_kind(documents, "Secret")[0]["stringData"].values()
    of_kind(documents, "ConfigMap")[0]["data"]["server.yaml"] += f"# {keys.split()[1]}\n"
    return any("contains a secret" in problem for problem in meaning.problems(documents))
