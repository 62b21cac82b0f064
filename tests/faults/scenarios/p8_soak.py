"""P8: reloads, restarts and malformed requests for a long time at half of what the machine can do."""

import itertools
import os
import re
import socket
import statistics
import time

from background import Background
from load import Loads, grpc_load, http_load
from processes import Cluster, Failed
from scenario import Result, control, loads, scenario
from scenarios.t11_keys import Rotation
from sockets import established

RELOAD = 30  # seconds from one to the next
RESTART = 60
SAMPLE = 2
SHARE = 0.01  # of malformed requests among those over HTTP
FIRST_RATE, LAST_RATE = 250, 16000
MOST_P99 = 50  # milliseconds; beyond, the machine is at its limit
CONNECTIONS = 16  # of the load over HTTP, as long as answers come in time
# How much more the last third may have than the first, of the time after a fifth of it. Memory and descriptors are
# those beside the connections that clients hold, of which the load opens more when a busy machine makes it wait.
BOUNDS = {"rss_kb": 2048, "descriptors": 4, "threads": 2}
CONNECTION_KB = 4  # that the README allows for each

POST = b"POST /getToken HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"


def json_request(body):
    return POST + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


# All are answered with 400.
MALFORMED = (
    json_request(b'{"room_name":'),
    json_request(b'{"room_name":1}'),
    json_request(b'{"room_name":"faults","room_name":"faults"}'),
    json_request(b'{"room_name":"\xff"}'),
    json_request(b"[" * 1000),
    POST + b"Host: example.com\r\nContent-Length: 0\r\n\r\n",
    POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    POST + b"Content-Length: 2, 3\r\n\r\n{}",
    POST + b"Bad Name: x\r\nContent-Length: 0\r\n\r\n",
    POST + b"X-Nul: a\0b\r\nContent-Length: 0\r\n\r\n",
    b"POST /getToken HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
)


class Malformed:
    """Sends malformed requests to the gateways that are not being restarted, and counts what they answer."""

    def __init__(self, gateways):
        self.gateways = gateways
        self.restarting = None
        self.requests = itertools.cycle(MALFORMED)
        self.turn = itertools.cycle(gateways)
        self.answers = {}

    def send(self):
        gateway = next(program for program in self.turn if program is not self.restarting)
        request = next(self.requests)
        try:
            with socket.create_connection((gateway.host, gateway.port), timeout=10) as sock:
                sock.sendall(request)
                answer = sock.makefile("rb").readline()
            status = answer.split(b" ")[1].decode() if answer.startswith(b"HTTP/1.1 ") else "no answer"
        except OSError as error:
            status = type(error).__name__
        self.answers[status] = self.answers.get(status, 0) + 1


def sample(program):
    held = sum(remote == (program.host, program.port) for _, remote in established())
    with open(f"/proc/{program.pid}/status", encoding="ascii", errors="replace") as file:
        status = file.read()
    return {
        "rss_kb": int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) - held * CONNECTION_KB,
        "threads": int(re.search(r"Threads:\s+(\d+)", status).group(1)),
        "descriptors": len(os.listdir(f"/proc/{program.pid}/fd")) - held,
    }


class Samples:
    """What processes that live all the time need."""

    def __init__(self, programs):
        self.programs = {program.name: program for program in programs}
        self.taken = {name: [] for name in self.programs}

    def take(self):
        for name, program in self.programs.items():
            self.taken[name].append(sample(program))

    def check(self, result):
        for name, taken in self.taken.items():
            steady = taken[len(taken) // 5:]
            third = len(steady) // 3
            if third < 3:
                raise Failed("the soak is too short to see anything grow: give more minutes")
            for what, bound in BOUNDS.items():
                values = [values[what] for values in steady]
                first, last = statistics.median(values[:third]), statistics.median(values[-third:])
                result.figure(f"{name}_{what}", f"{first:g} to {last:g}, most {max(values)}")
                result.check_measured(f"{name}: {what} grows by at most {bound}: {first:g}, at the end {last:g}",
                                      last - first <= bound)
            hours = len(steady) * SAMPLE / 3600
            slope = statistics.linear_regression(range(len(steady)), [values["rss_kb"] for values in steady]).slope
            result.figure(f"{name}_rss_slope_mb_per_h", round(slope * len(steady) / hours / 1024, 1))


def find_rate(cluster):
    """The highest rate, of those tried, at which each of the two loads still goes well; the lowest in any case, on a
    machine that others keep busy too, as long as none fails."""
    good = None
    rate = FIRST_RATE
    while rate <= LAST_RATE:
        how = both_loads(cluster, rate)
        with Loads(**how) as running:
            time.sleep(3)
            reports = running.stop()
        if any(report.failed for report in reports.values()):
            break
        if good and any(report.p99_ms > MOST_P99 for report in reports.values()):
            break
        good = rate
        rate *= 1.5
    if good is None:
        raise Failed(f"the machine cannot even do {FIRST_RATE} requests a second of both kinds")
    return good


def both_loads(cluster, rate, seconds=600):
    return {"http": http_load(cluster, rate=rate, connections=CONNECTIONS, seconds=seconds),
            "grpc": grpc_load(cluster, rate=rate, seconds=seconds)}


@scenario("p8", "soak at half load: reloads, restarts, 1 % malformed; no request fails, nothing grows", long=True,
          minutes=True)
def soak(folder, minutes):
    result = Result()
    with Cluster(folder) as cluster:
        for _ in range(2):
            cluster.add_server()
        rotation = Rotation(cluster)
        for _ in range(2):
            cluster.add_gateway()
        cluster.start()
        rate = find_rate(cluster) / 2
        how = both_loads(cluster, rate, seconds=minutes * 60 + 600)
        quiet = control(**how)
        malformed = Malformed(cluster.gateways)
        # The first of each kind lives all the time.
        samples = Samples([cluster.servers[0], cluster.gateways[0]])
        restarted = itertools.cycle([cluster.servers[1], cluster.gateways[1]])
        changes = itertools.cycle([rotation.add, rotation.flip])
        restarts = reloads = 0
        with loads(**how) as running, Background(1 / (rate * SHARE), malformed.send) as senders, \
                Background(SAMPLE, samples.take) as sampler:
            begin = time.monotonic()
            while (now := time.monotonic() - begin) < minutes * 60:
                if now >= (reloads + 1) * RELOAD:
                    next(changes)()
                    reloads += 1
                if now >= (restarts + 1) * RESTART - RESTART / 4:
                    malformed.restarting = next(restarted)
                    malformed.restarting.restart()
                    malformed.restarting = None
                    restarts += 1
                for thread in (senders, sampler):
                    thread.check()
                time.sleep(0.2)
            reports = running.stop()
        result.none_failed(quiet, reports)
        for name, value in (("minutes", minutes), ("rate_of_each_load", rate), ("reloads", reloads),
                            ("restarts", restarts), ("malformed", sum(malformed.answers.values()))):
            result.figure(name, value)
        result.check(f"malformed requests are answered with 400 and nothing else: {malformed.answers}",
                     set(malformed.answers) == {"400"})
        share = sum(malformed.answers.values()) / reports["http"].requests
        result.check(f"{share:.2%} of requests over HTTP were malformed", SHARE / 2 <= share <= SHARE * 2)
        result.check(f"there were reloads and restarts: {reloads}, {restarts}",
                     reloads >= minutes * 60 // RELOAD - 1 > 0 and restarts >= minutes * 60 // RESTART - 1 > 0)
        for name, report in reports.items():
            result.check(f"{name}: {len(report.keys)} keys have signed, one for each second reload",
                         len(report.keys) >= reloads // 2)
        for server in cluster.servers:
            result.check(f"{server.name} has refused no generation", "config_refused" not in server.log.read_text())
        samples.check(result)
    return result
