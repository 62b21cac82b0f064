"""T15: streams that are opened and reset at once, streams that are opened and left, connections that are made in masses."""

import contextlib
import struct
import threading
import time

import http2
from load import grpc_load, http_load
from peers import connections, memory_mib
from processes import Cluster
from scenario import Result, control, loads, scenario

RESETS = 2000  # a second and connection
CONNECTIONS = 2
SECONDS = 4
STREAMS = 700  # that one connection may have, connections.cc
MOST_MEMORY = 16  # MiB
SOCKETS = 2000
BLOCK = http2.call_fields("MintAccessToken")
RESET = struct.pack(">I", http2.CANCEL)


class Flood:
    """Opens and resets streams on its own thread, at a fixed rate, and reads what comes."""

    def __init__(self, server):
        self.connection = http2.Connection(server.host, server.port)
        self.sent = 0
        self.ending = False
        self.threads = [threading.Thread(target=run) for run in (self.send, self.receive)]
        for thread in self.threads:
            thread.start()

    def send(self):
        begin = time.monotonic()
        with contextlib.suppress(OSError):
            while not self.ending:
                out = []
                for _ in range(50):
                    stream = self.connection.next_stream()
                    out += [self.connection.headers(stream, BLOCK), http2.frame(http2.RST_STREAM, 0, stream, RESET)]
                self.connection.send(b"".join(out))
                self.sent += 50
                time.sleep(max(0, begin + self.sent / RESETS - time.monotonic()))

    def receive(self):
        with contextlib.suppress(OSError):
            while not self.ending:
                for _ in self.connection.frames(0.2):
                    pass

    def stop(self):
        self.ending = True
        for thread in self.threads:
            thread.join()
        self.connection.close()


def watch(pid, seconds):
    """The most memory that the process had in this time."""
    end, most = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        most = max(most, memory_mib(pid))
        time.sleep(0.05)
    return most


def reset_streams(server):
    """How many, and the most memory meanwhile."""
    floods = [Flood(server) for _ in range(CONNECTIONS)]
    try:
        most = watch(server.pid, SECONDS)
    finally:
        for flood in floods:
            flood.stop()
    return sum(flood.sent for flood in floods), most


def leave_streams(server):
    """Of more streams than one may have, how many were refused, and the most memory meanwhile."""
    with contextlib.closing(http2.Connection(server.host, server.port)) as connection:
        # Its settings hold once the client has acknowledged them.
        for kind, flags, _, _ in connection.frames(2):
            if kind == http2.SETTINGS and not flags & http2.ACK:
                connection.send(http2.frame(http2.SETTINGS, http2.ACK, 0))
                break
        time.sleep(0.2)
        with contextlib.suppress(OSError):
            for _ in range(2 * STREAMS):
                connection.send(connection.headers(connection.next_stream(), BLOCK))
        most = watch(server.pid, SECONDS)
        refused = sum(kind in (http2.RST_STREAM, http2.GOAWAY) for kind, *_ in connection.frames(0.2))
        return refused + connection.closed, most


@scenario("t15", f"{CONNECTIONS * RESETS} resets a second, {2 * STREAMS} open streams, {SOCKETS} connections: memory and "
                 "others' latency bounded")
def floods(folder):
    result = Result()
    with Cluster(folder) as cluster:
        server, gateway = cluster.add_server(), cluster.add_gateway()
        cluster.start()
        how = {"http": http_load(cluster), "grpc": grpc_load(cluster)}
        control(1, **how)  # what serving itself takes is no growth
        quiet = control(**how)
        for name, attack in (("resets", reset_streams), ("streams", leave_streams)):
            before = memory_mib(server.pid)
            with loads(**how) as running:
                count, most = attack(server)
                reports = running.stop()
            grew = most - before
            result.figure(name, count)
            result.figure(f"{name}_grew_mib", grew)
            result.none_failed(quiet, reports)
            result.check(f"{name}: memory grows by at most {MOST_MEMORY} MiB: {grew:.1f}", grew <= MOST_MEMORY)
            for load, report in reports.items():
                result.p99_at_most(f"{name}: {load}", quiet[load], report)
            result.check(f"{name}: the flood was one: {count}", count > 0)
        before = [memory_mib(program.pid) for program in (server, gateway)]
        with loads(**how) as running:
            with connections(gateway, SOCKETS) as sockets:
                made = len(sockets)
                grew = [watch(program.pid, 1) - then for program, then in zip((server, gateway), before)]
            reports = running.stop()
        result.figure("connections", made)
        result.figure("connections_grew_mib", max(grew))
        result.none_failed(quiet, reports)
        result.check(f"connections: memory grows by at most {MOST_MEMORY} MiB: {max(grew):.1f}", max(grew) <= MOST_MEMORY)
        for program in cluster.programs:
            result.check(f"{program.name} lives", program.running() and program.admin("/livez")[0] == 200)
    return result
