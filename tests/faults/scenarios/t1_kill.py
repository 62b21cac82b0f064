"""T1: kill -9 of each of three servers in turn; and the harness's test of itself."""

import time

from load import grpc_load, http_load
from processes import Cluster
from scenario import Result, control, loads, scenario

MOST_KILLS = 60
ROUNDS = 4


def three_servers(folder, gateways=1):
    cluster = Cluster(folder)
    for _ in range(3):
        cluster.add_server()
    for _ in range(gateways):
        cluster.add_gateway()
    return cluster


@scenario("t1", "kill -9 of each of three servers in turn: no request fails")
def kill(folder):
    result = Result()
    with three_servers(folder) as cluster:
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


@scenario("selftest", "T1 without retries: the harness must notice failures")
def selftest(folder):
    result = Result()
    with three_servers(folder, gateways=0) as cluster:
        cluster.start()
        how = {"grpc": grpc_load(cluster, rate=1000, retries="off")}
        quiet = control(**how)
        kills = 0
        failed = 0
        while not failed and kills < MOST_KILLS:
            with loads(**how) as running:
                for server in cluster.servers:
                    server.await_calls(["MintAccessToken"])
                for server in cluster.servers * 2:
                    server.kill()
                    kills += 1
                    server.start()
                    server.await_calls(["MintAccessToken"])
                reports = running.stop()
            failed = reports["grpc"].failed
        result.add(quiet, reports)
        result.figure("kills", kills)
        result.check(f"some requests fail without retries; {failed} did in {kills} kills", failed > 0)
    return result
