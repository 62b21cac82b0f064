"""T3 to T7: servers that hang, and networks that swallow, reset, lose or delay."""

import contextlib
import os
import time

import netns
from load import grpc_load, http_load
from processes import Cluster, await_that
from scenario import Result, control, loads, scenario

FAULT = 8  # seconds
BACK = 10  # seconds within which a server is in use again: gateways leave it alone for up to 8, reconnecting takes 1.5
CONTROL = 5  # seconds
MOST_P99 = 2  # times the control's
# On a machine with nothing else to do the control's p99 is 0.5 ms, and from run to run it differs by more than that.
NOISE_MS = 2
ONE_WAY = 20  # milliseconds
JITTER = 2
# A client on its own finds out by keepalive (10 s and 2 s) that nobody is there, at the latest.
GRPC_TIMEOUT = 15


@contextlib.contextmanager
def servers(folder, count, wire=False):
    """A network and a cluster of this many servers, each in a namespace of its own."""
    with netns.Net() as net, Cluster(folder) as cluster:
        for _ in range(count):
            link = net.add_link(wire)
            cluster.add_server(link.host, prefix=link.prefix, argv=["--allow_plaintext_grpc"], admin_host=link.host)
        cluster.add_gateway(argv=["--allow_plaintext_grpc"])
        cluster.start()
        yield net, cluster


# Of a lost server's calls, gRPC tries no more than 50 again (half of retryThrottling.maxTokens), and it is lost for all
# at the same moment, some 2 s (TCP_USER_TIMEOUT, from keepalive) after it went: 3 s * 30/s / 2 servers are fewer.
GRPC_RATE = 30


def both(cluster):
    return {"http": http_load(cluster), "grpc": grpc_load(cluster, rate=GRPC_RATE, timeout=GRPC_TIMEOUT)}


def await_use(result, server):
    """Until both clients use the server again."""
    begin = time.monotonic()
    before = {method: server.calls(method) for method in ("MintAccessToken", "BatchIssueParticipantTokens")}
    for method, calls in before.items():
        await_that(lambda: server.calls(method) > calls, f"{method} called on {server.name} again")
    took = time.monotonic() - begin
    result.figure("used_again_s", took)
    result.check(f"the server is in use again within {BACK} s; after {took:.2f} s", took <= BACK)


def cut(folder, count, cut_off, verdict, both_ways=True):
    """`cut_off` of `count` servers have the fault for 8 s."""
    result = Result()
    with servers(folder, count) as (net, cluster):
        how = both(cluster)
        quiet = control(CONTROL, **how)
        with loads(**how) as running:
            time.sleep(1)
            faulty = list(zip(net.links, cluster.servers))[:cut_off]
            for link, server in faulty:
                link.fault(server.port, verdict, both_ways)
            time.sleep(FAULT)
            met = [link.heal() for link, _ in faulty]
            await_use(result, cluster.servers[0])
            result.none_failed(quiet, running.stop())
        result.figure("packets_met", sum(met))
        result.check(f"the fault met packets to each server: {met}", all(met))
    return result


def slow_requests(gateway):
    """How many requests have taken longer than 100 ms, which are those that met a server that hangs."""
    name = "http_server_request_duration_seconds_bucket"
    return gateway.metric(name, le="+Inf") - gateway.metric(name, le="0.1")


@scenario("t3", f"one of three servers hangs for {FAULT} s: at most 0.05 % fail, p99 at most {MOST_P99} x control")
def hang(folder):
    result = Result()
    with servers(folder, 3) as (_, cluster):
        how = {"http": http_load(cluster, rate=400)}
        quiet = control(FAULT, **how)
        before = slow_requests(cluster.gateways[0])
        server = cluster.servers[0]
        with loads(**how) as running:
            time.sleep(2.5)
            server.await_calls(["BatchIssueParticipantTokens"])
            end = time.monotonic() + FAULT
            server.halt()
            os.waitid(os.P_PID, server.pid, os.WSTOPPED)  # a busy machine takes its time
            # Waits 2 s for nothing.
            result.check("it hangs", server.admin("/livez")[0] == 0)
            time.sleep(max(0, end - time.monotonic()))
            server.resume()
            time.sleep(3)
            report = running.stop()["http"]
            slow = slow_requests(cluster.gateways[0]) - before
        result.figure("slower_than_100ms", int(slow))
        result.add(quiet, {"http": report})
        result.at_most("http", report, 0.0005)
        most = max(MOST_P99 * quiet["http"].p99_ms, quiet["http"].p99_ms + NOISE_MS)
        result.check_measured(f"p99 is at most {most:.1f} ms; it is {report.p99_ms:.1f} ms", report.p99_ms <= most)
    return result


@scenario("t4", f"one of two servers in a black hole for {FAULT} s: no request fails")
def black_hole(folder):
    return cut(folder, 2, 1, netns.BLACK_HOLE)


@scenario("t5", f"connections to one of two servers are reset for {FAULT} s: no request fails")
def reset(folder):
    return cut(folder, 2, 1, netns.RESET, both_ways=False)


@scenario("t6", f"5 % of all packets are lost for {FAULT} s: no request fails")
def lost(folder):
    return cut(folder, 2, 2, netns.loss(5))


@scenario("t7", f"servers are {2 * ONE_WAY} ms away, there and back: no request fails, each takes one round trip")
def far(folder):
    result = Result()
    with servers(folder, 2, wire=True) as (net, cluster):
        how = both(cluster)
        quiet = control(CONTROL, **how)
        for link in net.links:
            link.wire.delay(ONE_WAY, JITTER)
        with loads(**how) as running:
            time.sleep(1)
            before = sum(server.tokens(caller="faults") for server in cluster.servers)
            begin = time.monotonic()
            time.sleep(FAULT)
            signed = sum(server.tokens(caller="faults") for server in cluster.servers) - before
            end = time.monotonic()
            reports = running.stop()
        result.none_failed(quiet, reports)
        result.figure("signed_per_answer", signed / max(1, reports["http"].ok_between(begin, end)))
        trip = 2 * ONE_WAY
        for name, report in reports.items():
            # A batch may have just gone, so that a request waits for the answer of another.
            most = 1.5 * trip + quiet[name].p50_ms
            result.check(f"{name}: p50 is from {trip - JITTER} to {most:.1f} ms; it is {report.p50_ms:.1f} ms",
                         trip - JITTER <= report.p50_ms <= most)
    return result
