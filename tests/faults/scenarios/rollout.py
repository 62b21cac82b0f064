"""K1: what `helm upgrade` does with the chart's two Deployments, under load, while a signing key is replaced."""

import contextlib
import re
import secrets
import time

import chart
import netns
from background import Background
from certificates import Authority
from dns_stub import DnsStub, resolve_by
from kube import CLUSTER_DOMAIN, DNS_TTL, SERVICE_IP, Kube
from processes import await_that, check_logs, write
from scenario import Result, control, loads, scenario
from volume import key_file

HTTP_RATE, GRPC_RATE = 500, 50
CONTROL = 10  # seconds
UPGRADE = 240  # seconds that one may take
TTL = 120  # seconds, of tokens: the least that a policy may state
UPGRADES = 2
OVERLAP = 40  # seconds from the last upgrade until the old key goes
LATEST = 2  # seconds after which a server uses a file that it was given
NAME = f"{chart.RELEASE}-livekit-token-service"
SERVER, GATEWAY = f"{NAME}-server", f"{NAME}-gateway"
GRPC_HOST = f"{NAME}-grpc.{chart.NAMESPACE}.svc"
SPIFFE = f"spiffe://{CLUSTER_DOMAIN}/ns/{chart.NAMESPACE}/sa"
RECORDER = f"{SPIFFE}/recorder"
EXPIRY = "livekit_token_key_latest_expiry_timestamp_seconds"
KEYS = "livekit-keys"
OLD, NEW = "APIold", "APInew"
VALUES = f"""
mode: split
livekit: {{ url: "wss://livekit.example.com" }}
storeKeysInSecret: {{ existingSecret: {KEYS} }}
mtls: {{ existingSecret: {{ server: server-tls, gateway: gateway-tls }} }}
config:
  gateway: {{ trusted_proxies: ["{netns.SUBNET}.0/24"] }}
  authenticators:
    - {{ name: guests, anonymous: {{}} }}
    - {{ name: programs, mtls: {{ uri_sans: ["{RECORDER}"] }} }}
  policies:
    - name: guest
      match: {{ authenticator: guests }}
      room: {{ client: allow }}
      identity: {{ client: allow }}
      ttl: {TTL}s
  services:
    - name: recorder
      match: {{ authenticator: programs, subject: "{RECORDER}" }}
      mint:
        rooms: ["*"]
        identities: ["*"]
        video: {{ room_join: true, can_publish: true, can_subscribe: true, can_publish_data: true }}
        max_ttl: {TTL}s
"""


class Operation:
    """The cluster, who calls it, and what its operator does."""

    def __init__(self, folder, net, stub, kube, release):
        self.kube = kube
        self.release = release
        self.secrets = {key: secrets.token_hex(24) for key in (OLD, NEW)}
        self.published = folder / "published.yaml"  # LiveKit's own keys
        authority = Authority(folder, "authority")
        for name, alternative in (("server", f"DNS:{GRPC_HOST}"), ("gateway", f"URI:{SPIFFE}/{GATEWAY}")):
            cert, key = authority.certify(folder, name, alternative)
            kube.put("Secret", f"{name}-tls", {"ca.crt": authority.cert.read_text(), "tls.crt": cert.read_text(),
                                               "tls.key": key.read_text()})
        cert, key = authority.certify(folder, "recorder", f"URI:{RECORDER}")
        client = net.add_link()
        client.route()
        prefix = [*client.prefix, *resolve_by(stub, folder)]
        common = {"prefix": prefix, "seconds": 600, "verify_keys": self.published}
        self.how = {
            "http": {**common, "http": f"{SERVICE_IP}:80", "rate": HTTP_RATE, "connections": 16, "forwarded": "true"},
            "grpc": {**common, "grpc": f"dns:///{GRPC_HOST}.{CLUSTER_DOMAIN}.:50051", "rate": GRPC_RATE,
                     "server_name": GRPC_HOST, "ca_file": authority.cert, "cert_file": cert, "key_file": key},
        }
        self.values = {"livekit.signingKey": OLD}
        self.publish(OLD)
        self.give(OLD)

    def publish(self, *keys):
        """LiveKit has these."""
        write(self.published, key_file({key: self.secrets[key] for key in keys}))

    def give(self, *keys):
        """The Secret has these."""
        self.kube.put("Secret", KEYS, {"keys.yaml": key_file({key: self.secrets[key] for key in keys})})

    def upgrade(self, edit=lambda documents: documents, **values):
        """`helm upgrade --set …`; `edit` may change what comes of it."""
        self.values.update(values)
        self.kube.apply(edit(self.release.render(**self.values)))

    def install(self, edit, values):
        """The servers first, so that the answer of DNS that gateways keep for the next seconds names both."""

        def without_gateways(documents):
            return [document for document in edit(documents) if document["metadata"]["name"] != GATEWAY]

        # Only upgrades have to wait for DNS.
        self.upgrade(without_gateways, **{**values, "minReadySeconds": 0})
        await_that(lambda: self.kube.found(f"{NAME}-grpc") == 2, "both servers in DNS")
        self.upgrade(edit)
        self.await_complete()
        await_that(lambda: self.kube.found(NAME) == 2, "both gateways behind their Service")
        del self.values["minReadySeconds"]
        self.values.update(values)

    def await_(self, condition, what, patience=UPGRADE):
        def holds():
            self.kube.check()
            return condition()

        await_that(holds, what, patience)
        return time.monotonic()

    def await_complete(self):
        return self.await_(self.kube.complete, "all Deployments up to date")

    def same_generation(self):
        """Whether all servers that stay have both keys, of which the new one does not sign, and say that they have the
        same configuration: when the README lets the operator go on."""
        servers = [pod for pod in self.kube.present(SERVER) if pod.terminating_at is None]
        pages = [pod.admin("/metrics")[1] for pod in servers]
        hashes = {re.search(r'^config_generation_info{hash="(\w+)"} 1', page, re.M) for page in pages}
        return None not in hashes and len({found.group(1) for found in hashes}) == 1 and all(
            pod.metric("livekit_token_key_state", key=NEW, state="pending") for pod in servers)

    def switched(self):
        """Whether no server signs with the old key, not even one that is being deleted."""
        return all(pod.metric("livekit_token_key_state", key=NEW, state="active") or pod.gone
                   for pod in self.kube.present(SERVER))


@contextlib.contextmanager
def operation(folder, edit=lambda documents: documents, **values):
    """A cluster with the chart as installed first."""
    folder.mkdir(parents=True, exist_ok=True)
    release = chart.Chart(write(folder / "values.yaml", VALUES))
    with netns.Net() as net:
        net.forward()
        with DnsStub(netns.HUB, ttl=DNS_TTL, cached=True) as stub, Kube(net, stub, folder) as kube:
            run = Operation(folder, net, stub, kube, release)
            run.install(edit, values)
            yield run
    check_logs(folder.rglob("*.log"), run.secrets.values())


def rotate(run, result):
    """Upgrades one after the other, from the first of which on the new key is added, signs and is alone; returns the
    moments at which it was to sign and did so everywhere, and at which the old one was gone."""
    figures = []

    def upgrade(number):
        begin = time.monotonic()
        run.upgrade(**{"image.tag": str(number)})
        return lambda: figures.append(run.await_complete() - begin)

    complete = upgrade(1)
    time.sleep(3)  # the first new pods have begun to start
    run.publish(OLD, NEW)
    run.give(OLD, NEW)
    run.await_(run.same_generation, "the new key on all servers")
    asked = time.monotonic()
    run.upgrade(**{"livekit.signingKey": NEW})
    switched = run.await_(run.switched, "the new key signs on all servers")
    complete()
    time.sleep(max(0, switched + TTL - OVERLAP - time.monotonic()))
    complete = upgrade(2)
    time.sleep(max(0, switched + TTL - time.monotonic()))
    run.publish(NEW)
    run.give(NEW)
    retired = time.monotonic()
    complete()
    result.figure("upgrade_s", ", ".join(f"{seconds:.0f}" for seconds in figures))
    return asked, switched, retired


@scenario("k1", "rolling updates of the chart, and a key rotation meanwhile: no request fails", long=True)
def rollout(folder):
    result = Result()
    with operation(folder / "chart") as run:
        with_wrong_key(result, run)
        quiet = control(CONTROL, **run.how)
        for pod in run.kube.present(SERVER):
            result.check(f"{pod.name} is in use", pod.tokens() > CONTROL * HTTP_RATE / 4)
        expiry = {}

        def scrape():
            for pod in run.kube.present(SERVER):
                expiry[pod.name] = max(expiry.get(pod.name, 0), pod.metric(EXPIRY, key=OLD))

        with loads(**run.how) as running, Background(1, scrape) as scraper:
            asked, switched, retired = rotate(run, result)
            reports = running.stop()
            scraper.check()
        wall = time.time() - time.monotonic()
        pods = list(run.kube.pods)
    result.none_failed(quiet, reports)
    check_pods(result, pods)
    check_keys(result, reports, asked, switched, retired)
    latest = max(expiry.values()) - wall
    result.check(f"the servers' own figures let the old key go no later: {latest - switched:.1f} s after the switch",
                 latest <= retired + 1)
    moved = reports["http"].events.get("connection_close", 0)
    result.figure("connections_moved", moved)
    result.check(f"clients were asked to move on: {moved} times", moved > 0)
    without_drain(result, folder / "without_drain")
    without_patience(result, folder / "without_patience")
    return result


def check_pods(result, pods):
    """A rotation alone replaces none of them."""
    result.figure("pods", len(pods))
    result.check(f"4 pods at first and for each of {UPGRADES} upgrades; {len(pods)} have run",
                 len(pods) == 4 * (1 + UPGRADES))
    for pod in pods:
        result.check(f"{pod.name} needed no force: {pod.problem}", pod.problem is None)
        result.check(f"{pod.name} has refused no generation", "config_refused" not in pod.log.read_text())
    took = [pod.stopped_after for pod in pods[:-4]]
    result.figure("stop_s", f"{min(took):.1f} to {max(took):.1f}, of {pods[0].grace}")


def check_keys(result, reports, asked, switched, retired):
    for name, report in reports.items():
        old, new = report.keys.get(OLD), report.keys.get(NEW)
        result.check(f"{name}: both keys have signed", old and new)
        if not old or not new:
            continue
        first, last = report.at(new["first_s"]), report.at(old["last_s"])
        result.figure(f"{name}_new_key_first_s", round(first - asked, 2))
        result.figure(f"{name}_old_key_last_s", round(last - asked, 2))
        result.check(f"{name}: the new key has not signed before it was asked to; {first - asked:.2f} s after",
                     first > asked)
        result.check(f"{name}: the old key signs no longer {LATEST} s after the last server has said so; "
                     f"{last - switched:.2f} s", last <= switched + LATEST)
        result.check(f"{name}: none is signed with the old key after its grace; the last {retired - last:.0f} s before",
                     last < retired)


def upgrade_once(result, name, folder, edit=lambda documents: documents, **values):
    """One that must fail."""
    with operation(folder, edit, **values) as run:
        with loads(**run.how) as running:
            time.sleep(1)
            run.upgrade(edit, **{"image.tag": "1"})
            run.await_complete()
            reports = running.stop()
        for load, report in reports.items():
            result.figure(f"{name}_{load}", f"{report.failed} of {report.requests} failed: {report.outcomes_text}")
        result.check(f"{name}: requests fail", reports["http"].failed > 0)


def without_drain(result, folder):
    """The harness notices when pods are stopped at once and found before they are ready."""

    def edit(documents):
        for document in chart.of_kind(documents, "Deployment"):
            for container in document["spec"]["template"]["spec"]["containers"]:
                del container["readinessProbe"], container["startupProbe"]
        return documents

    upgrade_once(result, "without_drain", folder, edit, **{
        "config.drain.delay": "0s", "config.gateway.drain.delay": "0s", "minReadySeconds": 0})


def without_patience(result, folder):
    """The same when old servers go before the new ones are known to everybody."""
    upgrade_once(result, "without_min_ready", folder, **{"minReadySeconds": 5})


def with_wrong_key(result, run):
    """The same for tokens that LiveKit does not accept."""
    run.publish(NEW)
    report = control(1, http=run.how["http"])["http"]
    run.publish(OLD)
    result.check(f"tokens of a key that is not published are noticed: {report.outcomes_text}",
                 report.outcomes.get("unverifiable", 0) > 0)
