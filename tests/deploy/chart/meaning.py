"""What must hold between the objects of one rendering, and between them and the configuration that they carry."""

import math
import re

import yaml

from manifests import name_of, of_kind
from pod_security import containers_of, pod_of

PROGRAMS = {"livekit-token-standalone": "server.yaml", "livekit-token-server": "server.yaml",
            "livekit-token-gateway": "gateway.yaml"}


def seconds(text):
    """Of a duration such as 1m30s."""
    units = {"h": 3600, "m": 60, "s": 1, "ms": 0.001}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)(ms|h|m|s)", text))


def labels_match(selector, labels):
    return all(labels.get(key) == value for key, value in selector.items())


class Workload:
    """A Deployment of ours with its container and its configuration."""

    def __init__(self, deployment, documents):
        self.document = deployment
        self.name = name_of(deployment)
        self.metadata, self.spec = pod_of(deployment)
        self.labels = self.metadata["labels"]
        self.container = self.spec["containers"][0]
        self.program = self.container["command"][0].rsplit("/", 1)[1]
        self.ports = {port["name"]: port["containerPort"] for port in self.container["ports"]}
        self.volumes = {volume["name"]: volume for volume in self.spec["volumes"]}
        config_map = self.volumes["config"]["configMap"]["name"]
        files = [document["data"] for document in of_kind(documents, "ConfigMap")
                 if document["metadata"]["name"] == config_map]
        self.config = yaml.safe_load(files[0][PROGRAMS[self.program]]) if files else None

    @property
    def gateway_config(self):
        """The gateway's settings, if it runs here."""
        if self.program == "livekit-token-gateway":
            return self.config
        return self.config.get("gateway") or {} if self.program == "livekit-token-standalone" else None


def workloads(documents):
    return [Workload(document, documents) for document in of_kind(documents, "Deployment")]


def problems(documents):
    """Sentences about what does not hold."""
    found = []
    ours = workloads(documents)
    for workload in ours:
        if workload.config is None:
            return [f"{workload.name}: its ConfigMap is not there"]
    for check in (_everything, _secrets):
        found += check(documents)
    for workload in ours:
        for check in (_pod, _probes, _stop, _update, _ports, _budget):
            found += [f"{workload.name}: {problem}" for problem in check(workload, documents)]
    for check in (_services, _policies, _ways_in, _grpc):
        found += check(documents, ours)
    return found


def _everything(documents):
    namespaces = {document["metadata"].get("namespace") for document in documents if document["kind"] != "Namespace"}
    if len(namespaces) != 1 or None in namespaces:
        yield f"objects of one installation are in several namespaces: {namespaces}"
    names = [name_of(document) for document in documents]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{name}: is there twice"
    for document in documents:
        metadata = document["metadata"]
        if len(metadata["name"]) > 63:
            yield f"{name_of(document)}: name is longer than 63"
        if document["kind"] == "ServiceAccount" and document.get("automountServiceAccountToken") is not False:
            yield f"{name_of(document)}: mounts its token"


def _secrets(documents):
    values = set()
    for secret in of_kind(documents, "Secret"):
        for text in (secret.get("stringData") or {}).values():
            values |= set(re.findall(r"[A-Za-z0-9+/=_.~-]{32,}", text))
    for document in documents:
        if document["kind"] == "Secret":
            continue
        text = yaml.safe_dump(document)
        if "PRIVATE KEY" in text or any(value in text for value in values):
            yield f"{name_of(document)}: contains a secret"


def _pod(workload, _):
    selector = workload.document["spec"]["selector"]["matchLabels"]
    if not labels_match(selector, workload.labels):
        yield "selects other pods than its own"
    if workload.spec.get("automountServiceAccountToken") is not False:
        yield "mounts its service account's token"
    mounts = workload.container["volumeMounts"]
    if any("subPath" in mount or "subPathExpr" in mount for mount in mounts):
        yield "mounts a file by subPath, which never changes"
    if {mount["name"] for mount in mounts} != set(workload.volumes):
        yield "volumes and mounts differ"
    writable = {name for name, volume in workload.volumes.items() if "emptyDir" in volume}
    if any(not mount.get("readOnly") and mount["name"] not in writable for mount in mounts):
        yield "mounts something writable"
    for name, volume in workload.volumes.items():
        source = volume.get("secret") or volume.get("projected")
        if source is not None and source.get("defaultMode") != 0o440:
            yield f"volume {name} is not of mode 0440"
    if not workload.container["securityContext"].get("readOnlyRootFilesystem"):
        yield "can write to its root file system"
    resources = workload.container["resources"]
    if "cpu" in resources.get("limits", {}):
        yield "has a limit of CPU"
    if not resources.get("limits", {}).get("memory") or not resources.get("requests", {}).get("memory"):
        yield "has no request or limit of memory"
    for constraint in workload.spec.get("topologySpreadConstraints") or []:
        if not labels_match(constraint["labelSelector"]["matchLabels"], workload.labels):
            yield f"spreads other pods than its own over {constraint['topologyKey']}"
    if workload.document["spec"]["strategy"]["rollingUpdate"].get("maxUnavailable") != 0:
        yield "takes pods away before there are new ones"


def _probes(workload, _):
    paths = {"startupProbe": "/startupz", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
    for probe, path in paths.items():
        action = (workload.container.get(probe) or {}).get("httpGet", {})
        if action.get("path") != path or action.get("port") != "admin":
            yield f"{probe} is not {path} of the admin port"


def _stop(workload, _):
    drain = workload.config.get("drain") or {}
    least = seconds(drain.get("delay", "8s")) + seconds(drain.get("timeout", "20s")) + 5
    hook = ((workload.container.get("lifecycle") or {}).get("preStop") or {}).get("sleep") or {}
    least += hook.get("seconds", 0)
    grace = workload.spec["terminationGracePeriodSeconds"]
    if grace < least:
        yield f"is killed after {grace} s, but needs {math.ceil(least)} to stop"


def _update(workload, _):
    # A cached answer of DNS (30 s), how late a new pod comes into it, the gateway's own pause between two questions.
    least = 30 + 2 + 5 if "grpc" in workload.ports else 0
    if workload.document["spec"]["minReadySeconds"] < least:
        yield f"old pods go before callers know the new ones: minReadySeconds is not {least} or more"


def _port(address, default):
    return int(address.rsplit(":", 1)[1]) if address else default


def _ports(workload, _):
    listen = workload.config.get("listen") or {}
    expected = {"admin": _port(listen.get("admin"), 9464)}
    if workload.gateway_config is not None:
        expected["http"] = _port((workload.gateway_config.get("listen") or {}).get("http"), 3000)
    plaintext = "--allow_plaintext_grpc" in workload.container["args"]
    if workload.program != "livekit-token-gateway" and (listen.get("tls") or plaintext):
        expected["grpc"] = _port(listen.get("grpc"), 50051)
    if workload.ports != expected:
        yield f"has ports {workload.ports}, but listens on {expected}"


def _budget(workload, documents):
    name = workload.document["metadata"]["name"]
    scalers = [scaler for scaler in of_kind(documents, "HorizontalPodAutoscaler")
               if scaler["spec"]["scaleTargetRef"]["name"] == name]
    if bool(scalers) == ("replicas" in workload.document["spec"]):
        yield "must have either a number of replicas or an autoscaler"
        return
    least = scalers[0]["spec"]["minReplicas"] if scalers else workload.document["spec"]["replicas"]
    budgets = [budget for budget in of_kind(documents, "PodDisruptionBudget")
               if labels_match(budget["spec"]["selector"]["matchLabels"], workload.labels)]
    if len(budgets) != (1 if least > 1 else 0):
        yield f"has {least} pods and {len(budgets)} disruption budgets"


def _services(documents, ours):
    for service in of_kind(documents, "Service"):
        spec = service["spec"]
        chosen = [workload for workload in ours if labels_match(spec["selector"], workload.labels)]
        if not chosen:
            yield f"{name_of(service)}: selects no pods"
        for port in spec["ports"]:
            if any(port["targetPort"] not in workload.ports for workload in chosen):
                yield f"{name_of(service)}: there is no port {port['targetPort']}"
            if port["name"] == "grpc":
                if spec.get("clusterIP") != "None" or spec.get("publishNotReadyAddresses"):
                    yield f"{name_of(service)}: must be headless, with ready pods only"
                if port.get("appProtocol") != "grpc" or any(port["port"] != one.ports["grpc"] for one in chosen):
                    yield f"{name_of(service)}: must have the pods' own port and appProtocol grpc"
            elif port["name"] == "http" and chosen:
                tls = (chosen[0].gateway_config.get("listen") or {}).get("tls")
                if port.get("appProtocol") != ("https" if tls else "http"):
                    yield f"{name_of(service)}: has the wrong appProtocol"
    for monitor in of_kind(documents, "ServiceMonitor"):
        chosen = [service for service in of_kind(documents, "Service")
                  if labels_match(monitor["spec"]["selector"]["matchLabels"], service["metadata"]["labels"])]
        port = monitor["spec"]["endpoints"][0]["port"]
        reached = [[workload.name for workload in ours if labels_match(service["spec"]["selector"], workload.labels)]
                   for service in chosen if port == service["spec"]["ports"][0]["name"]]
        if sorted(reached) != sorted([workload.name] for workload in ours):
            yield f"{name_of(monitor)}: does not reach every component as a job of its own: {reached}"


def asked_ports(config):
    """Ports of what the authenticators of server.yaml ask."""
    ports = set()
    for authenticator in config.get("authenticators", []):
        (kind, settings), = ((key, value) for key, value in authenticator.items() if key != "name")
        files = {"jwks_file", "public_key_file", "hs256_secret_file", "hs384_secret_file", "hs512_secret_file"}
        url = None
        if kind == "jwt" and not files & set(settings):
            url = settings.get("jwks_uri", settings["issuer"])
        elif kind in ("forward_auth", "oauth2_introspection"):
            url = settings["url"]
        elif kind == "spiffe_jwt":
            url = settings.get("bundle_url")
        elif kind == "kubernetes_service_account" and "jwks_file" not in settings:
            url = settings.get("api_server", "https://kubernetes.default.svc")
            ports.add(6443)
        if url:
            scheme, port = re.match(r"(https?)://[^/:]+(?::(\d+))?", url).groups()
            ports.add(int(port) if port else {"http": 80, "https": 443}[scheme])
    return ports


def _policies(documents, ours):
    policies = of_kind(documents, "NetworkPolicy")
    for workload in ours if policies else []:
        own = [policy for policy in policies
               if labels_match(policy["spec"]["podSelector"]["matchLabels"], workload.labels)]
        if len(own) != 1:
            yield f"{workload.name}: is selected by {len(own)} network policies"
            continue
        spec = own[0]["spec"]
        name = name_of(own[0])
        if spec["policyTypes"] != ["Ingress", "Egress"]:
            yield f"{name}: leaves a direction open"
        for rule in spec["ingress"]:
            (port,) = rule["ports"]
            if port["port"] not in workload.ports:
                yield f"{name}: there is no port {port['port']}"
            if port["port"] != "http" and not rule.get("from"):
                yield f"{name}: anybody reaches {port['port']}"
        if "http" in workload.ports and "http" not in [rule["ports"][0]["port"] for rule in spec["ingress"]]:
            yield f"{name}: nobody reaches http"
        open_ports = {port["port"] for rule in spec["egress"] if not rule.get("to") for port in rule["ports"]}
        asked = asked_ports(workload.config) if workload.program != "livekit-token-gateway" else set()
        if open_ports != asked:
            yield f"{name}: opens {sorted(open_ports)}, but {sorted(asked)} are asked"
        if not any({"port": 53, "protocol": "UDP"} in rule["ports"] and rule.get("to") for rule in spec["egress"]):
            yield f"{name}: has no rule for DNS"
    by_program = {workload.program: workload for workload in ours}
    gateway, server = by_program.get("livekit-token-gateway"), by_program.get("livekit-token-server")
    if policies and gateway and server and not (
            _lets(policies, server, "ingress", "from", gateway, {"grpc"}) and
            _lets(policies, gateway, "egress", "to", server, {server.ports["grpc"]})):
        yield "a network policy does not let the gateway reach the server"


def _lets(policies, workload, direction, peers, other, ports):
    """Whether a rule of the workload's policy names the other one's pods and these ports."""
    for policy in policies:
        if labels_match(policy["spec"]["podSelector"]["matchLabels"], workload.labels):
            for rule in policy["spec"][direction]:
                named = [peer["podSelector"]["matchLabels"] for peer in rule.get(peers, []) if "podSelector" in peer
                         and "namespaceSelector" not in peer]
                if ports == {port["port"] for port in rule["ports"]} and any(
                        labels_match(labels, other.labels) for labels in named):
                    return True
    return False


def _ways_in(documents, ours):
    services = {service["metadata"]["name"]: service for service in of_kind(documents, "Service")}
    gateways = [workload for workload in ours if workload.gateway_config is not None]
    for way in of_kind(documents, "Ingress", "HTTPRoute"):
        expected = set(gateways[0].gateway_config.get("token_paths", ["/getToken", "/api/token"]))
        if gateways[0].gateway_config.get("sandbox"):
            expected.add("/api/v2/sandbox/connection-details")
        if way["kind"] == "Ingress":
            for rule in way["spec"]["rules"]:
                paths = rule["http"]["paths"]
                kinds = {path["pathType"] for path in paths}
                ports = {(path["backend"]["service"]["name"], path["backend"]["service"]["port"]["name"])
                         for path in paths}
                reached = all(name in services and port in [one["name"] for one in services[name]["spec"]["ports"]]
                              for name, port in ports)
                if {path["path"] for path in paths} != expected or kinds != {"Exact"} or not reached:
                    yield f"{name_of(way)}: does not lead the token paths, exactly, to the Service"
        else:
            (rule,) = way["spec"]["rules"]
            paths = {match["path"]["value"] for match in rule["matches"]}
            kinds = {match["path"]["type"] for match in rule["matches"]}
            ports = {(name, port["port"]) for name, service in services.items() for port in service["spec"]["ports"]}
            reached = all((one["name"], one["port"]) in ports for one in rule["backendRefs"])
            if paths != expected or kinds != {"Exact"} or not reached:
                yield f"{name_of(way)}: does not lead the token paths, exactly, to the Service"


def _grpc(documents, ours):
    """Between gateway and server, and other programs and the server."""
    certificates = {one["spec"]["secretName"]: one["spec"] for one in of_kind(documents, "Certificate")}
    for service in of_kind(documents, "Service") if certificates else ():
        name = f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc"
        grpc = service["spec"]["ports"][0]["name"] == "grpc"
        for workload in ours:
            if grpc and labels_match(service["spec"]["selector"], workload.labels):
                certificate = certificates.get(workload.volumes["tls"]["secret"]["secretName"], {})
                if name not in certificate.get("dnsNames", []):
                    yield f"{workload.name}: its certificate is not for {name}"
    by_program = {workload.program: workload for workload in ours}
    gateway, server = by_program.get("livekit-token-gateway"), by_program.get("livekit-token-server")
    if gateway is None and server is None:
        return
    namespace = gateway.document["metadata"]["namespace"]
    target = gateway.config["server"]
    services = [service for service in of_kind(documents, "Service")
                if service["spec"].get("clusterIP") == "None" and
                labels_match(service["spec"]["selector"], server.labels)]
    names = [f"dns:///{one['metadata']['name']}.{namespace}.svc.cluster.local.:{port['port']}"
             for one in services for port in one["spec"]["ports"] if port["name"] == "grpc"]
    if target["address"] not in names:
        yield f"the gateway asks {target['address']}, which is no headless Service of the server ({names})"
    relays = [service for service in server.config["services"] if service.get("relay")]
    if len(relays) != 1:
        yield "the server has not exactly one service that may relay"
        return
    known = {authenticator["name"]: authenticator for authenticator in server.config["authenticators"]}
    authenticator, subject = known.get(relays[0]["match"]["authenticator"], {}), relays[0]["match"]["subject"]
    account = f"system:serviceaccount:{namespace}:{gateway.spec['serviceAccountName']}"
    if "kubernetes_service_account" in authenticator and subject != account:
        yield f"the server knows {subject}, but the gateway is {account}"
    if "mtls" in authenticator:
        if authenticator["mtls"] != {"uri_sans" if "://" in subject else "dns_sans": [subject]}:
            yield f"the server accepts certificates of {authenticator['mtls']} as {subject}"
    for workload in (gateway, server) if certificates else ():
        certificate = certificates.get(workload.volumes["tls"]["secret"]["secretName"])
        if certificate is None:
            yield f"{workload.name}: its certificate is not made"
        elif workload is gateway and (certificate.get("uris", []), certificate.get("dnsNames", [])) != (
                ([subject], []) if "://" in subject else ([], [subject])):
            yield f"the gateway's certificate is not for {subject}"
        elif workload is server and target["tls"]["server_name"] not in certificate["dnsNames"]:
            yield f"the server's certificate is not for {target['tls']['server_name']}"
