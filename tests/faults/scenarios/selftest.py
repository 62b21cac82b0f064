"""The harness's test of itself: it must notice what is wrong, or what it says of the scenarios means nothing."""

import hostile_http
from load import Loads, grpc_load, http_load
from processes import Cluster, Failed, write
from scenario import Result, control, loads, scenario

REQUESTS = 10
MOST_KILLS = 60


@scenario("selftest", "without retries requests fail when servers are killed, and every kind of failure is told apart")
def selftest(folder):
    result = Result()
    check_outcomes(result, folder)
    check_secrets(result, folder / "secrets")
    check_attempts(result)
    kill_without_retries(result, folder)
    return result


def check_outcomes(result, folder):
    """Each hostile gateway, and what was counted."""
    keys = write(folder / "published.yaml", f"{hostile_http.KEY}: {hostile_http.SECRET}\n")
    servers = {kind: hostile_http.HostileHttp(kind) for kind in hostile_http.ANSWERS}
    how = {kind: {"http": server.address, "rate": 50, "seconds": REQUESTS / 50, "timeout": 0.5, "verify_keys": keys}
           for kind, server in servers.items()}
    with Loads(**how) as running:
        reports = {kind: load.wait() for kind, load in running.loads.items()}
    for kind, server in servers.items():
        server.stop()
        result.check(f"{kind}: {REQUESTS} {server.outcome} and nothing else ({reports[kind].outcomes_text})",
                     reports[kind].outcomes == {server.outcome: REQUESTS}
                     and reports[kind].failed == (0 if server.outcome == "201" else REQUESTS))
    closed = reports["close"].events.get("connection_close", 0)
    result.check(f"connections that say so are closed: {closed}", closed == REQUESTS)


def check_secrets(result, folder):
    """A secret, and a token, are found in everything that is looked at."""
    shown = "shown-in-the-environment"
    with Cluster(folder) as cluster:
        server = cluster.add_server()
        server.env["SHOWN"] = shown
        cluster.start()
        seen = server.seen()
    result.check("metrics and arguments of programs are seen", b"\nprocess_open_fds " in seen and b"--config=" in seen)
    token = b"eyJhbGciOiJIUzI1NiJ9.e30.x"
    for what, text, secrets in (("nothing", seen, []), ("a secret", seen, [shown]), ("a token", seen + token, [])):
        cluster.secrets = secrets
        try:
            cluster.check_secrets("it", text)
            found = "nothing"
        except Failed as failed:
            found = str(failed).removeprefix("it contains ")
        result.check(f"{what} is found where there is {what}: {found}", found == what)


def check_attempts(result):
    """Only a scenario of which nothing but times and growth is wrong may be tried again."""
    for time_holds, other_holds, expected in ((True, True, False), (True, False, False), (False, True, True),
                                              (False, False, False)):
        tried = Result()
        tried.check_measured("a time", time_holds)
        tried.check("something else", other_holds)
        result.check(f"time {time_holds}, something else {other_holds}: tried again is {tried.spoiled}",
                     tried.spoiled == expected)


def kill_without_retries(result, folder):
    """T1 until both kinds of clients have seen a failure."""
    with Cluster(folder) as cluster:
        for _ in range(3):
            cluster.add_server()
        cluster.add_gateway(server=", max_attempts: 1")
        cluster.start()
        how = {"http": http_load(cluster, rate=500), "grpc": grpc_load(cluster, rate=500, retries="off")}
        quiet = control(**how)
        kills = 0
        while True:
            with loads(**how) as running:
                for server in cluster.servers:
                    server.await_calls()
                for server in cluster.servers * 2:
                    server.kill()
                    kills += 1
                    server.start()
                    server.await_calls()
                reports = running.stop()
            if kills >= MOST_KILLS or all(report.failed for report in reports.values()):
                break
        result.add(quiet, reports)
        result.figure("kills", kills)
        for name, report in reports.items():
            result.check(f"{name}: some requests fail without retries; {report.failed} did in {kills} kills",
                         report.failed > 0)
