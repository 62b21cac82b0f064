"""Rate limits: whoever asks a hundred times too often, makes up addresses or guesses credentials hurts nobody else."""

import time

from load import http_load
from processes import RATES, Cluster, write
from scenario import Result, control, loads, scenario

SECONDS = 8
LIMIT = 20  # requests a second of one principal or one address
NOISE_MS = 2  # by which the times of two quiet runs differ on a machine that does other things too


def rates(**changed):
    lines = [line for line in RATES.splitlines() if line.split(":")[0].strip() not in changed]
    return "\n".join(lines + [f"  {name}: {rate}" for name, rate in changed.items()]) + "\n"


def resident_kib(program):
    for line in open(f"/proc/{program.pid}/status", encoding="ascii"):
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def slower(quiet, report):
    """Whether the others' p99 is more than 1.5 x that of the control."""
    return report.p99_ms > max(1.5 * quiet.p99_ms, quiet.p99_ms + NOISE_MS)


def only_refused_by_rate(result, name, report, at_most=None):
    extra = {outcome: count for outcome, count in report.outcomes.items() if outcome not in ("201", "429")}
    result.check(f"{name}: answered 201 or 429 only; {report.outcomes_text}", not extra)
    if at_most is not None:
        granted = report.outcomes.get("201", 0)
        result.check(f"{name}: no more than the limit grants ({at_most:.0f}); {granted}", 0 < granted <= at_most)


def user(cluster, name):
    """Flags of a load as an end user with a credential."""
    return {"credential_file": cluster.folder / f"{name}.key"}


def run(result, cluster, bad, quiet_how, **bad_how):
    """Report of the load `bad`, and how long it took."""
    quiet = control(others=quiet_how)["others"]
    begin = time.monotonic()
    with loads(others=quiet_how, **{bad: bad_how}) as running:
        time.sleep(SECONDS)
        reports = running.stop()
    took = time.monotonic() - begin
    result.none_failed({"others": quiet}, {"others": reports["others"]})
    p99 = f"{reports['others'].p99_ms:.2f} ms against {quiet.p99_ms:.2f} ms"
    result.check_measured(f"{bad}: others' p99 at most 1.5 x control; {p99}", not slower(quiet, reports["others"]))
    result.figure(f"{bad}: others' p99", p99)
    result.figure(f"{bad}: outcomes", reports[bad].outcomes_text)
    return reports[bad], took


@scenario("l1", "one principal at 100 x its limit, another that guesses credentials, from the others' address")
def abuser(folder):
    result = Result()
    with Cluster(folder) as cluster:
        server = cluster.add_server(rates=rates(per_principal=f"{LIMIT}/s", auth_failures_per_address=f"{LIMIT}/s"))
        cluster.add_gateway()
        cluster.start()
        others = http_load(cluster)
        report, took = run(result, cluster, "abuser", others, **http_load(cluster, rate=100 * LIMIT),
                           **user(cluster, "abuser"))
        only_refused_by_rate(result, "abuser", report, LIMIT * (2 + took))
        write(folder / "guesser.key", "abuser.guessed\n")
        report, took = run(result, cluster, "guesser", others, **http_load(cluster, rate=100 * LIMIT),
                           **user(cluster, "guesser"))
        extra = set(report.outcomes) - {"401", "429"}
        result.check(f"guesser: answered 401 or 429 only; {report.outcomes_text}", not extra)
        refused = report.outcomes.get("401", 0)
        result.check(f"guesser: no more answers than the limit grants; {refused}", 0 < refused <= LIMIT * (2 + took))
        for scope in ("per_principal", "auth_failures_per_address"):
            result.check(f"{scope} is counted", server.metric("ratelimit_rejected_total", scope=scope) > 0)
    return result


@scenario("l2", "addresses that are made up, and more distinct ones than are kept, behind a trusted proxy")
def addresses(folder):
    result = Result()
    with Cluster(folder) as cluster:
        server = cluster.add_server(rates=rates(per_address=f"{LIMIT}/s"))
        cluster.add_gateway()
        cluster.start()
        others = http_load(cluster, **user(cluster, "minter"))
        report, took = run(result, cluster, "spoofer", others, **http_load(cluster, rate=100 * LIMIT),
                           forwarded="true")
        only_refused_by_rate(result, "spoofer", report, LIMIT * (2 + took))
        result.check("per_address is counted", server.metric("ratelimit_rejected_total", scope="per_address") > 0)
    with Cluster(folder / "keys") as cluster:
        # Nothing refills while it lasts, so that every key stays until another displaces it.
        server = cluster.add_server(rates=rates(per_address="1/h burst 2"))
        cluster.add_gateway(more="trusted_proxies: [127.0.0.1]\n")
        cluster.start()
        others = http_load(cluster, **user(cluster, "minter"))
        many = http_load(cluster, rate=3000)
        with loads(many={**many, "forwarded": "true"}) as running:
            time.sleep(10)  # 30,000 keys: more than are kept
            running.stop()
        before = resident_kib(server)
        report, _ = run(result, cluster, "many", others, **many, forwarded="true")
        growth = resident_kib(server) - before
        result.figure("many: growth of memory KiB", growth)
        result.check(f"memory is flat once there are more keys than are kept; {growth} KiB more", growth <= 4096)
        only_refused_by_rate(result, "many", report)
    return result
