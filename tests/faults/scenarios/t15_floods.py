"""T15: floods of HTTP/2 frames and of connections."""

import contextlib
import pathlib
import subprocess
import sys
import time

import floods
import http2
from load import grpc_load, http_load
from peers import Sink, connections, memory_mib, speaks_http2
from processes import Cluster, Failed
from scenario import Result, control, loads, scenario

CONNECTIONS = 2
# Others notice the first moments of a flood. Who floods is let in again after 1 s and 8 s, then only after 32.
SECONDS = 24
SECONDS_OF_WORST = 36
ELSEWHERE_SECONDS = 4
OPEN_SECONDS = 8
STREAMS = 700  # that one connection may have, connections.cc
MOST_MEMORY = 24  # MiB
MOST_OF_FLOODS = 200  # MiB; what two connections at full speed reach before they are reset varies from run to run
SLOWEST = 1000  # ms that any of the others may have to wait
SOCKETS = 2000
BLOCK = http2.call_fields("MintAccessToken")
FLOODS = pathlib.Path(floods.__file__)


def watch(pid, seconds):
    """The most memory that the process had in this time."""
    end, most = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        most = max(most, memory_mib(pid))
        time.sleep(0.05)
    return most


def source_of(kind):
    """An address for each kind: who has flooded must wait before it is let in again, and all others there with it."""
    return f"127.0.0.{2 + list(floods.KINDS).index(kind)}"


def flood(kind, host, port, seconds):
    """A flood of this kind, running, on another process."""
    return subprocess.Popen([sys.executable, str(FLOODS), host, str(port), source_of(kind), kind, str(CONNECTIONS),
                             str(seconds)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)


def sent_by(process):
    out, _ = process.communicate(timeout=60)
    if process.returncode:
        raise Failed(f"floods.py ended with {process.returncode}")
    return int(out)


def under_flood(kind, server, host, port, seconds, how):
    """Frames that were sent, the server's most memory meanwhile, and the reports of the loads."""
    with loads(**how) as running:
        process = flood(kind, host, port, seconds)
        try:
            most = watch(server.pid, seconds)
            sent = sent_by(process)
        finally:
            process.kill()
        return sent, most, running.stop()


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
        most = watch(server.pid, OPEN_SECONDS)
        refused = sum(kind in (http2.RST_STREAM, http2.GOAWAY) for kind, *_ in connection.frames(0.2))
        return refused + connection.closed, most


@scenario("t15", f"{len(floods.KINDS)} kinds of floods at full speed, {2 * STREAMS} open streams, {SOCKETS} "
                 "connections: nobody else fails, memory bounded")
def all_floods(folder):
    result = Result()
    with Cluster(folder) as cluster, Sink() as sink:
        server, gateway = cluster.add_server(), cluster.add_gateway()
        cluster.start()
        how = {"http": http_load(cluster), "grpc": grpc_load(cluster)}
        control(1, **how)  # what serving itself takes is no growth
        quiet = control(**how)
        before = memory_mib(server.pid)
        for kind in floods.KINDS:
            # The control's flood takes as much of the processors, but goes elsewhere.
            _, _, elsewhere = under_flood(kind, server, *sink.address, ELSEWHERE_SECONDS, how)
            seconds = SECONDS_OF_WORST if kind in floods.WORST else SECONDS
            sent, most, reports = under_flood(kind, server, server.host, server.port, seconds, how)
            result.figure(f"{kind}_frames", sent)
            result.figure(f"{kind}_grew_mib", most - before)
            for load, report in reports.items():
                result.p99_at_most(f"{kind}: {load}", elsewhere[load], report)
            slowest = max(report.max_ms for report in reports.values())
            result.check_measured(f"{kind}: the slowest of the others takes at most {SLOWEST} ms: {slowest}",
                                  slowest <= SLOWEST)
            result.none_failed(elsewhere, reports)
            result.check(f"{kind}: memory grows by at most {MOST_OF_FLOODS} MiB: {most - before:.1f}",
                         most - before <= MOST_OF_FLOODS)
            result.check(f"{kind}: the flood was one: {sent}", sent > 1000)
            result.check(f"{kind}: new connections are served", speaks_http2(server))
        aborted = {reason: server.metric("grpc_server_connections_aborted_total", reason=reason)
                   for reason in ("streams", "bytes")}
        result.figure("aborted", aborted)
        result.check(f"connections were reset for either reason: {aborted}", all(aborted.values()))
        before = memory_mib(server.pid)
        with loads(**how) as running:
            count, most = leave_streams(server)
            reports = running.stop()
        result.figure("streams_refused", count)
        result.none_failed(quiet, reports)
        result.check(f"open streams: memory grows by at most {MOST_MEMORY} MiB: {most - before:.1f}",
                     most - before <= MOST_MEMORY)
        result.check(f"open streams: those beyond {STREAMS} are refused", count > 0)
        for load, report in reports.items():
            result.p99_at_most(f"open streams: {load}", quiet[load], report)
        before = [memory_mib(program.pid) for program in (server, gateway)]
        with loads(**how) as running:
            with connections(gateway, SOCKETS) as sockets:
                made = len(sockets)
                grew = [watch(program.pid, 1) - then for program, then in zip((server, gateway), before)]
            reports = running.stop()
        result.figure("connections", made)
        result.figure("connections_grew_mib", max(grew))
        result.none_failed(quiet, reports)
        result.check(f"connections: memory grows by at most {MOST_MEMORY} MiB: {max(grew):.1f}",
                     max(grew) <= MOST_MEMORY)
        for program in cluster.programs:
            result.check(f"{program.name} lives", program.running() and program.admin("/livez")[0] == 200)
    return result
