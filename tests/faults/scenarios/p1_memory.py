"""P1: a memory limit, ten times the normal load and the largest bodies that are allowed."""

import contextlib
import http.client
import itertools
import json
import threading
import time

from cgroup import Group
from load import grpc_load, http_load
from peers import memory_mib
from processes import Cluster
from scenario import Result, control, loads, scenario

LIMIT = 128  # MiB, for each program
MOST = 0.6  # of it
SECONDS = 10
TIMES = 10
RATE = 100
BIG = 60000  # bytes; 65536 are allowed
THREADS = 4


class BigBodies:
    """Asks for tokens with the largest bodies, as fast as answers come, on so many threads."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.statuses = {}
        self.ending = False
        # One whose large field the policy does not allow, which the server finds out, and one whose field nobody knows.
        self.bodies = [json.dumps({"room_name": "faults", "participant_identity": "big", name: "m" * BIG})
                       for name in ("participant_metadata", "unknown")]
        self.threads = [threading.Thread(target=self.run) for _ in range(THREADS)]
        for thread in self.threads:
            thread.start()

    def run(self):
        for body in itertools.cycle(self.bodies):
            if self.ending:
                return
            connection = http.client.HTTPConnection(self.gateway.host, self.gateway.port, timeout=10)
            status = 0
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection.request("POST", "/getToken", body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                status = answer.status
            connection.close()
            self.statuses[status] = self.statuses.get(status, 0) + 1

    def stop(self):
        self.ending = True
        for thread in self.threads:
            thread.join()


@scenario("p1", f"{LIMIT} MiB for each program, {TIMES} x the load and bodies of {BIG} bytes: memory stays below "
                f"{MOST:.0%}, nothing is killed")
def memory(folder):
    result = Result()
    limits = {"memory__limit_in_bytes": LIMIT << 20}
    with Group("memory", "server", **limits) as inner, Group("memory", "gateway", **limits) as outer, \
            Cluster(folder) as cluster:
        server = cluster.add_server(prefix=inner.prefix)
        gateway = cluster.add_gateway(prefix=outer.prefix)
        cluster.start()
        programs = {"server": (server, inner), "gateway": (gateway, outer)}
        quiet = control(http=http_load(cluster, rate=RATE), grpc=grpc_load(cluster, rate=RATE))
        most = dict.fromkeys(programs, 0)
        with loads(http=http_load(cluster, rate=RATE * TIMES), grpc=grpc_load(cluster, rate=RATE * TIMES)) as running:
            big = BigBodies(gateway)
            try:
                end = time.monotonic() + SECONDS
                while time.monotonic() < end:
                    for name, (program, _) in programs.items():
                        most[name] = max(most[name], memory_mib(program.pid))
                    time.sleep(0.1)
            finally:
                big.stop()
            reports = running.stop()
        result.add(quiet, reports)
        for name, report in reports.items():
            others = set(report.outcomes) - {"201", "OK", "429", "503", "RESOURCE_EXHAUSTED", "UNAVAILABLE"}
            result.check(f"{name}: a token or a hint to come back later ({report.outcomes_text})",
                         report.ok and not others)
        result.figure("big_bodies", big.statuses)
        result.check(f"large bodies are answered: {big.statuses}",
                     {201, 403} <= set(big.statuses) <= {201, 403, 429, 503})
        for name, (program, group) in programs.items():
            kills = group.number("memory.oom_control", "oom_kill")
            result.figure(f"{name}_mib", most[name])
            result.check(f"{name}: runs, {kills} killed for lack of memory", program.running() and kills == 0)
            result.check(f"{name}: at most {MOST:.0%} of {LIMIT} MiB: {most[name]:.1f}", 0 < most[name] <= MOST * LIMIT)
    return result
