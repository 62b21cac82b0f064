"""A pod: a program in a network namespace with an address of its own, and what a kubelet does with it."""

import http.client
import pathlib
import random
import signal
import subprocess
import threading
import time

from dns_stub import resolve_by
from processes import BIN, Program
from volume import Volume

# Where pods mount their volumes. Programs find those here instead, a folder that every system has: each in a mount
# namespace of its own, so that paths, and with them hashes of configurations, are the same in all pods.
MOUNTS = "/etc/livekit-token"
HERE = "/mnt"
ENTER = ["unshare", "-m", "sh", "-c", f'mount --bind "$0" {HERE} && exec "$@"']
TICK = 0.05


class Probe:
    """An HTTP probe, with the defaults of Kubernetes."""

    def __init__(self, spec, ports):
        get = spec["httpGet"]
        self.path = get["path"]
        self.port = ports[get["port"]]
        self.period = spec.get("periodSeconds", 10)
        self.timeout = spec.get("timeoutSeconds", 1)
        self.most_failures = spec.get("failureThreshold", 3)
        self.failures = 0
        self.next = 0

    def due(self):
        return time.monotonic() >= self.next

    def ask(self, host):
        """Whether it succeeds now."""
        self.next = time.monotonic() + self.period
        connection = http.client.HTTPConnection(host, self.port, timeout=self.timeout)
        try:
            connection.request("GET", self.path, headers={"User-Agent": "kube-probe/1.33"})
            good = 200 <= connection.getresponse().status < 400
        except (OSError, http.client.HTTPException):
            good = False
        finally:
            connection.close()
        self.failures = 0 if good else self.failures + 1
        return good

    @property
    def failed(self):
        return self.failures >= self.most_failures


class Pod(Program):
    """One container. `problem` says what a kubelet had to do by force, and nothing if all went well."""

    def __init__(self, net, stub, name, template, objects, folder):
        self.link = net.add_link()
        self.link.route()
        spec = template["spec"]
        container, = spec["containers"]
        folder = folder / name
        (folder / "volumes").mkdir(parents=True)
        program, = container["command"]
        argv = [BIN / pathlib.PurePath(program).name, *(word.replace(MOUNTS, HERE) for word in container["args"])]
        super().__init__(name, argv, folder, self.link.host, [
            *self.link.prefix, *resolve_by(stub, folder), *ENTER, folder / "volumes"], admin_host=self.link.host)
        self.ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        self.admin_port = self.ports["admin"]
        self.template = template
        self.grace = spec["terminationGracePeriodSeconds"]
        self.pre_stop = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        # A container without one of these is alive, started and ready as soon as it runs.
        self.probes = {kind: Probe(container[f"{kind}Probe"], self.ports)
                       for kind in ("startup", "liveness", "readiness") if f"{kind}Probe" in container}
        self.volumes = {}
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        for volume in spec["volumes"]:
            source = ("ConfigMap", volume["configMap"]["name"]) if "configMap" in volume else (
                "Secret", volume["secret"]["secretName"])
            self.volumes[source] = Volume(folder / "volumes" / mounts[volume["name"]].removeprefix(MOUNTS + "/"))
            self.deliver(source, objects[source])
        self.started_at = time.monotonic()
        self.ready_since = None
        self.terminating_at = None
        self.stopped_after = None  # seconds
        self.problem = None
        self.start(ready=False)
        self.thread = threading.Thread(target=self._live)
        self.thread.start()

    def deliver(self, source, files):
        """A Secret or ConfigMap that it mounts is now this."""
        self.volumes[source].swap({name: text.replace(MOUNTS, HERE) for name, text in files.items()})

    @property
    def ready(self):
        return self.ready_since is not None

    def available(self, seconds):
        """Whether it has been ready for so long."""
        since = self.ready_since
        return since is not None and time.monotonic() >= since + seconds

    def delete(self):
        """Tells it to stop; its end is awaited in the background."""
        self.terminating_at = time.monotonic()

    @property
    def gone(self):
        return not self.thread.is_alive()

    def _live(self):
        started = "startup" not in self.probes
        while self.terminating_at is None:
            if not self.running():
                self.ready_since = None
                self.problem = f"ended with status {self.process.returncode}: {self.last_words()}"
                break
            if not started and self.probes["startup"].due():
                started = self.probes["startup"].ask(self.host)
                if self.probes["startup"].failed:
                    self.problem = "never started"
            if started:
                self._look()
            if self.problem:
                break
            time.sleep(TICK)
        self._end()

    def _look(self):
        if "readiness" not in self.probes:
            self.ready_since = self.ready_since or time.monotonic()
        elif self.probes["readiness"].due():
            if self.probes["readiness"].ask(self.host):
                self.ready_since = self.ready_since or time.monotonic()
            elif self.probes["readiness"].failed:
                self.ready_since = None
        if "liveness" in self.probes and self.probes["liveness"].due():
            self.probes["liveness"].ask(self.host)
            if self.probes["liveness"].failed:
                self.problem = "did not live"

    def _end(self):
        begin = self.terminating_at or time.monotonic()
        time.sleep(self.pre_stop)
        if self.running():
            self.send(signal.SIGTERM)
        try:
            status = self.process.wait(max(0, begin + self.grace - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.problem = self.problem or f"did not stop within {self.grace} s"
            self.kill()
        else:
            if status != 0:
                self.problem = self.problem or f"stopped with status {status}: {self.last_words()}"
        self.stopped_after = time.monotonic() - begin
        self.link.remove()


def some_time(least, most):
    return time.monotonic() + random.uniform(least, most)
