"""H4: accept() fails."""

from peers import http_status, seconds_until, speaks_http2
from load import grpc_load, http_load
from processes import Cluster, await_that
from scenario import Result, control, loads, scenario
from shims import AcceptShim

ERRORS = "ECONNABORTED", "EMFILE", "ENFILE", "ENOMEM", "ENOBUFS", "EPROTO", "EPERM"
FAILURES = 5
MOST = 1  # seconds
RATE = 400  # requests a second of each load
ROUNDS = 3


@scenario("h4", "accept() fails with seven errors on each kind of listener: all serve on, no request fails")
def accept(folder):
    result = Result()
    with Cluster(folder) as cluster:
        server, gateway = cluster.add_server(), cluster.add_gateway()
        shims = {program.name: AcceptShim(program) for program in cluster.programs}
        cluster.start()
        how = {"http": http_load(cluster, rate=RATE), "grpc": grpc_load(cluster, rate=RATE)}
        quiet = control(**how)
        probes = (("HTTP", gateway, gateway.port, lambda: http_status(gateway, timeout=0.5) == 405),
                  ("gRPC", server, server.port, lambda: speaks_http2(server, 0.2)),
                  ("admin", server, server.admin_port, lambda: server.admin("/livez")[0] == 200))
        slowest = 0
        with loads(**how) as running:
            for title, program, port, probe in probes:
                for error in ERRORS * ROUNDS:
                    shim = shims[program.name]
                    shim.fail(port, error, FAILURES)
                    took = seconds_until(lambda: probe() and shim.left == 0, 5)
                    result.check(f"{title}: {FAILURES} x {error} met, then served within {MOST} s: "
                                 f"{'never' if took is None else round(took, 2)}", took is not None and took <= MOST)
                    result.check(f"{title}: alive after {error}",
                                 program.running() and program.admin("/livez")[0] == 200)
                    slowest = max(slowest, took or 5)
            result.none_failed(quiet, running.stop())
        result.figure("slowest_s", slowest)
        await_that(lambda: server.admin("/readyz")[0] == 200, "ready at the end")
    return result
