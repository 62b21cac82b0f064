"""H3: more connections than descriptors."""

import contextlib
import time

from load import grpc_load, http_load
from peers import connections, cpu_seconds, http_status, seconds_until, speaks_http2
from processes import Cluster, need_tool
from scenario import Result, control, loads, scenario
import http2

LIMIT = 64  # descriptors
COUNT = 200  # connections
SETTLE = 1
IDLE = 3  # seconds at the limit
MOST_CPU = 0.1  # of a core
MOST_RECOVERY = 1  # second
PATIENCE = 3  # seconds for answers
REQUEST = b"GET /getToken HTTP/1.1\r\nHost: localhost\r\n\r\n"


def fates(sockets, first):
    """What becomes of connections that send this, by name."""
    seen = {"answered": 0, "503": 0, "ended": 0, "no answer": 0}
    for one in sockets:
        with contextlib.suppress(OSError):
            one.sendall(first)
    end = time.monotonic() + PATIENCE
    for one in sockets:
        try:
            one.settimeout(max(0.01, end - time.monotonic()))
            data = one.recv(64)
            seen["503" if data.startswith(b"HTTP/1.1 503") else "answered" if data else "ended"] += 1
        except TimeoutError:
            seen["no answer"] += 1
        except OSError:
            seen["ended"] += 1
    return seen


@scenario("h3", f"{COUNT} connections with {LIMIT} descriptors: sheds, stays alive and idle, back within a second")
def descriptors(folder):
    need_tool("prlimit")
    result = Result()
    with Cluster(folder) as cluster:
        limited = [f"prlimit --nofile={LIMIT}:{LIMIT}".split()]
        server = cluster.add_server(prefix=limited[0])
        gateway = cluster.add_gateway(prefix=limited[0])
        cluster.start()
        how = {"grpc": grpc_load(cluster), "http": http_load(cluster, connections=4)}
        quiet = control(**how)
        preface = http2.PREFACE + http2.frame(http2.SETTINGS, 0, 0)
        for title, program, first, serves in (
                ("HTTP", gateway, REQUEST, lambda: http_status(gateway) == 405),
                ("gRPC", server, preface, lambda: speaks_http2(server, 0.2))):
            with connections(program, COUNT) as sockets:
                time.sleep(SETTLE)
                used = cpu_seconds(program.pid)
                time.sleep(IDLE)
                used = (cpu_seconds(program.pid) - used) / IDLE
                alive = [program.admin(path)[0] for path in ("/livez", "/readyz")]
                became = fates(sockets, first)
            back = seconds_until(serves, 5)
            result.figure(f"{title}_cpu", used)
            result.figure(f"{title}_fates", became)
            result.figure(f"{title}_back_s", back or -1)
            result.check(f"{title}: alive and ready at the limit: {alive}", alive == [200, 200])
            result.check(f"{title}: at most {MOST_CPU} of a core while idle at the limit: {used:.2f}", used <= MOST_CPU)
            result.check(f"{title}: none is left without an answer, some served, others shed: {became}",
                         not became["no answer"] and became["answered"] and became["503"] + became["ended"])
            result.check(f"{title}: serves within {MOST_RECOVERY} s after: {back}",
                         back is not None and back <= MOST_RECOVERY)
            result.check(f"{title}: still runs", program.running())
        with loads(**how) as running:
            time.sleep(1)
            result.none_failed(quiet, running.stop())
    return result
