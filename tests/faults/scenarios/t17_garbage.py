"""T17: messages that are none, and too much of everything, over gRPC."""

import contextlib
import random
import struct

import http2
from load import grpc_load, http_load
from peers import memory_mib
from processes import Cluster
from scenario import Result, loads, scenario

OK, INVALID_ARGUMENT, PERMISSION_DENIED, RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL = 0, 3, 7, 8, 12, 13
LARGEST = 4 << 20
METHODS = ("IssueParticipantToken", "BatchIssueParticipantTokens", "MintAccessToken", "BatchMintAccessTokens",
           "VerifyAccessToken", "ExplainParticipantToken")
ROUNDS = 40
RATE = 400  # requests a second of each load
CONTROL_ROUNDS = 20
MOST_MEMORY = 64  # MiB; several messages of 4 MiB are in flight


def garbage(chance):
    """Bodies of messages that no parser may take."""
    yield b"\x0a\xff\xff\xff\xff\x0f"  # a length beyond the end
    yield b"\x0a\x05ab"
    yield b"\x07"  # a wire type that there is not
    yield b"\xff" * 11  # a number without end
    yield b"\x0b" * 200  # groups without end
    yield b"\x0a\x02\x0a\xff"
    yield b"\x00"
    yield bytes(chance.randrange(128, 256) for _ in range(chance.randrange(20, 400)))


def bad_calls(chance):
    """(what, header block, bytes of DATA, what must become of it)."""
    for method in METHODS:
        for body in garbage(chance):
            yield f"{method}: {body[:12].hex()}", http2.call_fields(method), http2.message(body), {INVALID_ARGUMENT}
        yield f"{method}: no message", http2.call_fields(method), b"", {INVALID_ARGUMENT}
    big = http2.message(b"\x0a" + b"\x81\x80\x80\x02" + bytes(LARGEST))
    plain = http2.message(b"")
    yield "4 MiB + 6", http2.call_fields("MintAccessToken"), big, {RESOURCE_EXHAUSTED}
    yield "a length of 4 GiB", http2.call_fields("MintAccessToken"), struct.pack(">BI", 0, 0xFFFFFFFF), {
        RESOURCE_EXHAUSTED, INVALID_ARGUMENT}
    yield "a compressed message that is none", http2.call_fields("MintAccessToken", ("grpc-encoding", "gzip")), (
        struct.pack(">BI", 1, 4) + b"abcd"), {INVALID_ARGUMENT, "reset"}
    yield "compressed without saying how", http2.call_fields("MintAccessToken"), struct.pack(">BI", 1, 4) + b"abcd", {
        INVALID_ARGUMENT}
    yield "an unknown method", http2.call_fields("Mint"), plain, {UNIMPLEMENTED}
    for size in (20 << 10, 1 << 20):
        block = http2.call_fields("MintAccessToken", ("x-filler", b"a" * size))
        yield f"metadata of {size >> 10} KiB", block, plain, {RESOURCE_EXHAUSTED, INVALID_ARGUMENT}


def good_calls():
    """As many as the bad ones: what connections cost is no harm that garbage does."""
    for _ in bad_calls(random.Random(0)):
        yield "a call", http2.call_fields("MintAccessToken"), http2.message(b""), {PERMISSION_DENIED}


def present(server, calls, wrong):
    """Makes each call on a connection of its own; those that were not answered as expected are counted in `wrong`.
    Returns how many there were."""
    sent = 0
    for title, block, body, expected in calls:
        with contextlib.closing(http2.Connection(server.host, server.port)) as connection:
            try:
                status = http2.call(connection, block, body)
            except OSError:
                status = "closed"
        sent += 1
        if status not in expected:
            wrong[f"{title}: {status}"] = wrong.get(f"{title}: {status}", 0) + 1
    return sent


@scenario("t17", "garbage, messages of 4 MiB and metadata of 1 MiB over gRPC: refused as such, never INTERNAL")
def hostile(folder):
    result = Result()
    chance = random.Random(17)
    with Cluster(folder) as cluster:
        server = cluster.add_server()
        cluster.add_gateway()
        cluster.start()
        how = {"http": http_load(cluster, rate=RATE), "grpc": grpc_load(cluster, rate=RATE)}
        most, sent, wrong = 0, 0, {}
        with loads(**how) as running:
            for _ in range(CONTROL_ROUNDS):
                present(server, good_calls(), wrong)
            quiet = running.stop()
        before = memory_mib(server.pid)
        with loads(**how) as running:
            for _ in range(ROUNDS):
                sent += present(server, bad_calls(chance), wrong)
                most = max(most, memory_mib(server.pid))
            reports = running.stop()
        result.none_failed(quiet, reports)
        for name, report in reports.items():
            result.p99_at_most(name, quiet[name], report)
        result.figure("calls", sent)
        result.figure("grew_mib", most - before)
        for title, count in sorted(wrong.items()):
            result.check(f"{title} ({count} times)", False)
        result.check(f"{sent} calls, each refused as such", sent and not wrong)
        result.check(f"memory grows by at most {MOST_MEMORY} MiB: {most - before:.1f}", most - before <= MOST_MEMORY)
        internal = server.metric("grpc_server_call_duration_seconds_count", grpc_status="INTERNAL")
        result.check(f"none of the server's answers is INTERNAL: {internal:.0f}", internal == 0)
        result.check("the server lives", server.running() and server.admin("/livez")[0] == 200)
    return result
