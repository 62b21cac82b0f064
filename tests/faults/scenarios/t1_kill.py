"""T1: kill -9 of each of three servers in turn."""

import time

from load import grpc_load, http_load
from processes import Cluster
from scenario import Result, control, loads, scenario

ROUNDS = 4


@scenario("t1", "kill -9 of each of three servers in turn: no request fails")
def kill(folder):
    result = Result()
    with Cluster(folder) as cluster:
        for _ in range(3):
            cluster.add_server()
        cluster.add_gateway()
        cluster.start()
        how = {"http": http_load(cluster), "grpc": grpc_load(cluster)}
        quiet = control(**how)
        with loads(**how) as running:
            for server in cluster.servers:
                server.await_calls()
            for server in cluster.servers * ROUNDS:
                server.kill()
                time.sleep(0.3)
                server.start()
                server.await_calls()
            result.none_failed(quiet, running.stop())
    return result
