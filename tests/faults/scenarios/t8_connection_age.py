"""T8: servers that keep asking their clients to connect anew."""

import time

from load import grpc_load, http_load
from processes import Cluster
from scenario import Result, control, loads, scenario
from sockets import Watch

SECONDS = 10
AGE = 1  # seconds


@scenario("t8", f"connections end after {AGE} s: no request fails")
def connection_age(folder):
    result = Result()
    with Cluster(folder / "control") as cluster:
        for _ in range(2):
            cluster.add_server()
        cluster.add_gateway()
        cluster.start()
        quiet = control(http=http_load(cluster), grpc=grpc_load(cluster, retries="off"))
    with Cluster(folder) as cluster:
        for _ in range(2):
            cluster.add_server(listen=f", max_connection_age: {AGE}s")
        cluster.add_gateway()
        cluster.start()
        watch = Watch([server.port for server in cluster.servers])
        with loads(http=http_load(cluster), grpc=grpc_load(cluster, retries="off")) as running:
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                watch.look()
                time.sleep(0.1)
            result.none_failed(quiet, running.stop())
        # Each of the two clients has a connection to each server. Age varies by a tenth, and looking takes its time.
        least = 4 * SECONDS / (AGE * 1.5)
        result.figure("connections", watch.count)
        result.check(f"connections were renewed: at least {least:.0f}, {watch.count} seen", watch.count >= least)
    return result
