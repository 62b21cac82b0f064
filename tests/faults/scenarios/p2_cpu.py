"""P2: a fifth of a processor for each program, and more load than that can serve."""

import threading

from cgroup import Group
from load import http_load
from processes import Cluster
from scenario import Result, control, loads, scenario

QUOTA = 0.2  # of a core
PERIOD_US = 100000
SECONDS = 12
LOW, HIGH = 30, 12000  # requests a second
CONNECTIONS, PENDING = 512, 128  # each connection has a request in progress; limits.pending_requests
DEADLINE = 10  # seconds, limits.request_timeout
PROBE_EVERY = 0.5  # seconds


class Probe:
    """Asks all programs whether they live, as the kubelet does: a probe may take a second."""

    def __init__(self, programs):
        self.programs = programs
        self.asked, self.failed = 0, []
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.ending.wait(PROBE_EVERY):
            for program in self.programs:
                self.asked += 1
                status = program.admin("/livez")[0]
                if status != 200:
                    self.failed.append((program.name, status))

    def stop(self):
        self.ending.set()
        self.thread.join()


@scenario("p2", f"{QUOTA} of a core for each program, {HIGH} requests/s: alive, sheds, no answer after its deadline")
def processor(folder):
    result = Result()
    limits = {"cpu__cfs_period_us": PERIOD_US, "cpu__cfs_quota_us": round(QUOTA * PERIOD_US)}
    with Group("cpu", "server", **limits) as inner, Group("cpu", "gateway", **limits) as outer, \
            Cluster(folder) as cluster:
        cluster.add_server(prefix=inner.prefix)
        cluster.add_gateway(prefix=outer.prefix, more=f"limits: {{ pending_requests: {PENDING} }}\n")
        cluster.start()
        # fault_load counts what takes longer than this from when it was due as a failure.
        quiet = control(http=http_load(cluster, rate=LOW, connections=64))
        throttled = outer.number("cpu.stat", "nr_throttled")
        with loads(http=http_load(cluster, rate=HIGH, connections=CONNECTIONS, timeout=2 * DEADLINE)) as running:
            probe = Probe(cluster.programs)
            try:
                probe.ending.wait(SECONDS)
            finally:
                probe.stop()
            report = running.stop()["http"]
        throttled = outer.number("cpu.stat", "nr_throttled") - throttled
        result.add(quiet, {"http": report})
        result.figure("throttled_periods", throttled)
        result.figure("probes", probe.asked)
        result.figure("outcomes", report.outcomes_text)
        result.check(f"the limit was met: {throttled} periods", throttled > SECONDS)
        result.check(f"every liveness probe is answered: {probe.failed[:5]} of {probe.asked}",
                     probe.asked and not probe.failed)
        others = set(report.outcomes) - {"201", "429", "503"}
        result.check(f"a token or a hint to come back later ({report.outcomes_text})", report.ok and not others)
        shed = sum(report.outcomes.get(status, 0) for status in ("429", "503"))
        result.figure("shed", shed)
        result.check(f"what is too much is told so at once ({report.outcomes_text})", shed > 0)
        result.check_measured(f"p99 of tokens is at most {DEADLINE} s: {report.p99_ms / 1000:.2f}",
                              report.p99_ms <= DEADLINE * 1000)
    return result
