"""T13: all servers are gone for 10 s."""

import time

from load import http_load
from processes import Cluster
from scenario import Result, control, loads, scenario

SERVERS = 3
DOWN = 10  # seconds
MOST_RECOVERY = 2  # seconds
MOST_AMPLIFICATION = 1.1
# A request that was sent just before they went may still get its token, so that the first moments do not count.
BEGIN = 0.5


@scenario("t13", f"all servers down for {DOWN} s: clear 503 meanwhile, recovery within {MOST_RECOVERY} s")
def all_down(folder):
    result = Result()
    with Cluster(folder) as cluster:
        for _ in range(SERVERS):
            cluster.add_server()
        cluster.add_gateway()
        cluster.start()
        how = {"http": http_load(cluster)}
        quiet = control(**how)
        with loads(**how) as running:
            for server in cluster.servers:
                server.await_calls(["BatchIssueParticipantTokens"])
            for server in cluster.servers:
                server.kill()
            down = time.monotonic()
            time.sleep(DOWN)
            cluster.start()
            ready = time.monotonic()
            time.sleep(MOST_RECOVERY + 4)
            report = running.stop()["http"]
            signed = sum(server.tokens() for server in cluster.servers)
        result.add(quiet, {"http": report})
        delivered = report.ok_between(down + BEGIN)
        recovery = max(0, report.last_failure - ready) if report.failed else 0
        result.figure("recovery_s", recovery)
        result.figure("slowest_503_ms", report.failed_max_ms)
        result.figure("amplification", signed / max(1, delivered))
        others = {name for name in report.outcomes if name not in ("201", "503")}
        result.check(f"every request gets its token or a 503 with Retry-After ({report.outcomes_text})", not others)
        result.check("none fails before they are down", report.failed and report.first_failure >= down - BEGIN)
        while_down = report.failed_between(down + BEGIN, down + DOWN)
        result.check(f"they were down: {while_down} requests failed meanwhile", while_down >= DOWN * 100)
        result.check(f"none fails later than {MOST_RECOVERY} s after the servers are ready; the last did after "
                     f"{recovery:.2f} s", recovery <= MOST_RECOVERY)
        result.check(f"every 503 comes within 5 s; the slowest took {report.failed_max_ms:.0f} ms",
                     report.failed_max_ms <= 5000)
        result.check(f"at most {MOST_AMPLIFICATION} tokens are signed for each that is delivered; {signed:.0f} for "
                     f"{delivered}", 0 < delivered and signed <= MOST_AMPLIFICATION * delivered)
    return result
