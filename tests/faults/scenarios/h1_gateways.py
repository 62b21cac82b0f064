"""H1: rolling restart of two gateways before keep-alive clients that never try again."""

import time

from load import http_load
from processes import Cluster
from scenario import Result, control, loads, scenario

ROUNDS = 5


@scenario("h1", f"{ROUNDS} rolling restarts of two gateways, keep-alive clients without retry: no request fails")
def rolling_restart(folder):
    result = Result()
    with Cluster(folder) as cluster:
        cluster.add_server()
        for _ in range(2):
            cluster.add_gateway()
        cluster.start()
        how = {"http": http_load(cluster, rate=400, connections=16)}
        quiet = control(**how)
        with loads(**how) as running:
            for gateway in cluster.gateways * ROUNDS:
                time.sleep(0.5)
                gateway.restart()
            time.sleep(0.3)
            reports = running.stop()
        result.none_failed(quiet, reports)
        # Each restart but the first finds all connections on its gateway.
        moved = reports["http"].events.get("connection_close", 0)
        least = 8 + 16 * (2 * ROUNDS - 1)
        result.figure("connections_moved", moved)
        result.check(f"clients were asked to move on: at least {least} times, {moved} counted", moved >= least)
    return result
