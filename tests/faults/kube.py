"""What a Kubernetes cluster does with a few Deployments: their rolling updates, the files of their pods, and who finds
which pods by DNS and by a Service's address."""

import threading
import time

from background import Background
from chart import NAMESPACE, of_kind
from netns import command
from pods import Pod, some_time
from processes import Failed

TICK = 0.05
# Seconds until a change of endpoints has come to the DNS server and to kube-proxy.
LAG = 1, 2
# Until a changed ConfigMap or Secret has come to a pod. The kubelet takes up to a minute or two; what matters here is
# that every pod gets it at another time, and new ones at their start.
SPREAD = 0.5, 8
# As kubeadm sets it up; CoreDNS's own default is 5.
DNS_TTL = 30
CLUSTER_DOMAIN = "cluster.local"
SERVICE_IP = "10.96.0.10"


class Deployment:
    """The rolling updates of the Deployment controller."""

    def __init__(self, cluster, manifest):
        self.cluster = cluster
        self.name = manifest["metadata"]["name"]
        self.pods = []
        self.spec = manifest["spec"]

    def present(self):
        """(pods of the present template, others), without those that are being deleted."""
        alive = [pod for pod in self.pods if pod.terminating_at is None]
        return ([pod for pod in alive if pod.template == self.spec["template"]],
                [pod for pod in alive if pod.template != self.spec["template"]])

    def step(self):
        replicas = self.spec["replicas"]
        update = self.spec["strategy"]["rollingUpdate"]
        least_ready = self.spec.get("minReadySeconds", 0)
        new, old = self.present()
        for _ in range(min(replicas - len(new), replicas + update["maxSurge"] - len(new) - len(old))):
            new.append(self.cluster.start_pod(self))
        # Old pods may go as far as those that are available without them are enough; first those that are not.
        unavailable = sum(not pod.available(least_ready) for pod in new)
        most = len(new) + len(old) - (replicas - update["maxUnavailable"]) - unavailable
        for pod in sorted(old, key=lambda pod: pod.available(least_ready))[:max(0, most)]:
            pod.delete()

    def complete(self):
        new, old = self.present()
        return not old and len(new) == self.spec["replicas"] and all(
            pod.available(self.spec.get("minReadySeconds", 0)) for pod in new)


class Endpoints:
    """The ready pods of a Service, as those who `publish` them know: later than they change."""

    def __init__(self, publish):
        self.publish = publish
        self.latest = None
        self.published = None
        self.coming = []  # (moment, addresses), in order

    def change(self, addresses):
        if addresses != self.latest:
            self.latest = addresses
            after = self.coming[-1][0] if self.coming else 0
            self.coming.append((max(after, some_time(*LAG)), addresses))

    def step(self):
        while self.coming and self.coming[0][0] <= time.monotonic():
            _, self.published = self.coming.pop(0)
            self.publish(self.published)


class Kube:
    """Use it with `with`, within a network and a DNS server at the hub, whose answers it decides. Addresses of pods are
    found by the names of headless Services; the Service with an address of its own is at SERVICE_IP."""

    def __init__(self, net, stub, folder):
        self.net = net
        self.stub = stub
        self.folder = folder
        self.objects = {}  # (kind, name): texts by file
        self.deployments = {}
        self.services = {}  # name: (Deployment's labels, name of the port, Endpoints)
        self.pods = []  # all that ever were
        self.deliveries = []  # (moment, pod, source, files)
        self.lock = threading.Lock()  # no pod starts while objects change
        self.controllers = Background(TICK, self._step)

    def __enter__(self):
        self.controllers.__enter__()
        return self

    def __exit__(self, *_):
        self.controllers.__exit__()
        for pod in self.pods:
            pod.delete()
        for pod in self.pods:
            pod.thread.join()

    def put(self, kind, name, files):
        """A Secret or ConfigMap is now this. Pods that mount it get it one after the other, those being deleted
        never."""
        source = kind, name
        if self.objects.get(source) == files:
            return
        with self.lock:
            self.objects[source] = files
            for pod in self.pods:
                if source in pod.volumes:
                    self.deliveries.append((some_time(*SPREAD), pod, source, files))

    def apply(self, documents):
        """As `helm upgrade` does it: all at once. A Deployment replaces its pods only if their template has changed."""
        for document in of_kind(documents, "ConfigMap"):
            self.put("ConfigMap", document["metadata"]["name"], document["data"])
        for document in of_kind(documents, "Service"):
            self._add_service(document)
        for document in of_kind(documents, "Deployment"):
            name = document["metadata"]["name"]
            if name in self.deployments:
                self.deployments[name].spec = document["spec"]
            else:
                self.deployments[name] = Deployment(self, document)

    def _add_service(self, document):
        name = document["metadata"]["name"]
        spec = document["spec"]
        port, = spec["ports"]
        if name in self.services:
            return
        if spec.get("clusterIP") == "None":
            address = f"{name}.{NAMESPACE}.svc.{CLUSTER_DOMAIN}"
            publish = lambda pods: self.stub.zone.update({address: [host for host, _ in pods]})
        else:
            publish = lambda pods: forward_to(port["port"], pods)
        self.services[name] = spec["selector"], port["targetPort"], Endpoints(publish)

    def start_pod(self, deployment):
        name = f"{deployment.name.rpartition('-')[2]}-{len(self.pods)}"
        with self.lock:
            pod = Pod(self.net, self.stub, name, deployment.spec["template"], self.objects, self.folder)
            self.pods.append(pod)
        deployment.pods.append(pod)
        return pod

    def _step(self):
        now = time.monotonic()
        for delivery in [one for one in self.deliveries if one[0] <= now]:
            self.deliveries.remove(delivery)
            _, pod, source, files = delivery
            if pod.terminating_at is None:
                pod.deliver(source, files)
        for deployment in list(self.deployments.values()):
            deployment.step()
        for selector, port, endpoints in list(self.services.values()):
            endpoints.change([(pod.host, pod.ports[port]) for pod in self.pods if pod.ready
                              and pod.terminating_at is None
                              and selector.items() <= pod.template["metadata"]["labels"].items()])
            endpoints.step()

    def present(self, deployment):
        """Its pods, also those that are being deleted."""
        return [pod for pod in self.deployments[deployment].pods if not pod.gone]

    def check(self):
        self.controllers.check()
        for pod in self.pods:
            if pod.problem:
                raise Failed(f"pod {pod.name} {pod.problem}")

    def found(self, service):
        """How many pods those who look for the Service have been told of."""
        return len(self.services[service][2].published or [])

    def complete(self):
        """Whether all Deployments have what they want, and nothing else is there any longer."""
        self.check()
        return all(deployment.complete() for deployment in self.deployments.values()) and all(
            pod.gone for pod in self.pods if pod.terminating_at is not None)


def forward_to(port, pods):
    """New connections to the Service's address go to one of these pods at random, those that stand remain where they
    are, as with kube-proxy."""
    text = """
        add table ip services
        add chain ip services arriving { type nat hook prerouting priority dstnat; }
        flush chain ip services arriving
        """
    if pods:
        choice = ", ".join(f"{number} : {host} . {own}" for number, (host, own) in enumerate(pods))
        text += (f"add rule ip services arriving ip daddr {SERVICE_IP} tcp dport {port} "
                 f"dnat ip to numgen random mod {len(pods)} map {{ {choice} }}\n")
    command("nft", "-f", "-", given=text)
