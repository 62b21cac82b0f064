"""T2: 44 orderly restarts of two servers, and nobody tries again."""

from load import grpc_load, http_load
from processes import Cluster
from scenario import Result, control, loads, scenario

RESTARTS = 44


@scenario("t2", f"{RESTARTS} orderly restarts of two servers, retries off: no request fails")
def restart(folder):
    result = Result()
    with Cluster(folder) as cluster:
        for _ in range(2):
            cluster.add_server()
        cluster.add_gateway(server=", max_attempts: 1")
        cluster.start()
        how = {"http": http_load(cluster, rate=400), "grpc": grpc_load(cluster, rate=400, retries="off")}
        quiet = control(**how)
        with loads(**how) as running:
            for server in cluster.servers:
                server.await_calls()
            for number in range(RESTARTS):
                server = cluster.servers[number % 2]
                server.restart()
                # Both clients use it again before the other one goes.
                server.await_calls()
            result.none_failed(quiet, running.stop())
    return result
