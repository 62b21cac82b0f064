"""Many idle connections, and slow clients: what they cost and whether others notice."""

import resource
import time

import answers
import load
import servers
import table
from clients import IdleConnections, SlowClients

HEADER_DEADLINE = 5.0  # seconds, the defaults of our configuration
REQUEST_DEADLINE = 10.0
TOLERANCE = 1.0  # of a deadline, either way
SPARE_FILES = 300  # file descriptors for everything else


def start_standalone(limits=""):
    server = servers.Server("standalone", "ours, standalone", servers.standalone(limits=limits))
    server.start()
    server.check()
    return server


class Idle:
    """Connections that made one request each and then stay."""

    def __init__(self, quick):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self.wanted = min(1000 if quick else 10000, hard - SPARE_FILES)
        self.seconds = 2 if quick else 10
        self.kept = 0
        self.bytes_each = self.cpu_quiet = self.cpu_idle = self.new = None

    def run(self, say):
        server = start_standalone(f"connections: {self.wanted + SPARE_FILES}")
        idle = IdleConnections(server.port, answers.body("small"))
        try:
            # Code, pools and arenas are in memory before the first look at it.
            load.wrk(server, "small", 64, 1)
            load.generate(server, "small", 1, close=True, connections=32)
            time.sleep(1)
            self.cpu_quiet = self._cpu_of_doing_nothing(server)
            memory = server.resident_bytes()
            say(f"{idle.open(self.wanted, patience=60)} of {self.wanted} idle connections were answered")
            time.sleep(1)
            memory = server.resident_bytes() - memory
            self.cpu_idle = self._cpu_of_doing_nothing(server)
            self.new = load.generate(server, "small", 5, close=True, rate=50, requests=100)
            self.kept = idle.still_open()
            if self.kept == self.wanted:  # the memory of fewer says nothing about the memory of each
                self.bytes_each = memory / self.kept
        finally:
            idle.close()
            server.stop()

    def _cpu_of_doing_nothing(self, server):
        """Milliseconds of CPU per second."""
        before = server.cpu_milliseconds()
        time.sleep(self.seconds)
        return (server.cpu_milliseconds() - before) / self.seconds

    def table(self):
        new = self.new
        errors = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in new.errors.items()) or "0 errors"
        return [
            table.row("idle connections", "answered and still open", "memory each, bytes",
                      "CPU ms/s without them", "CPU ms/s with them", "100 new connections: p50 ms", "max ms", "errors"),
            "|---:|---:|---:|---:|---:|---:|---:|---|",
            table.row(f"{self.wanted:,}", f"{self.kept:,}", table.number(self.bytes_each, 0),
                      table.number(self.cpu_quiet), table.number(self.cpu_idle), table.milliseconds(new.p50),
                      table.milliseconds(new.longest), errors),
        ]

    def reaches(self):
        work = f"{self.wanted:,} idle connections"
        more = self.cpu_idle - self.cpu_quiet
        return [
            table.Reach(work, "memory each in our process", None if self.bytes_each is None else self.bytes_each / 1024,
                        4, at_most=True, unit=" KiB"),
            # A thousandth of a core: less than the rest of the process varies by.
            table.Reach("", "CPU that they add", max(more, 0), 1, at_most=True, unit=" ms/s"),
            table.Reach("", "slowest of 100 requests on new connections", self.new.longest / 1000, 10, at_most=True,
                        unit=" ms"),
            table.Reach("", "of them answered and kept", self.kept / self.wanted, 1),
        ]

    def failures(self):
        failures = []
        if self.kept != self.wanted:
            lost = self.wanted - self.kept
            failures.append(f"{lost} of {self.wanted} idle connections were not answered or not kept")
        if self.new.errors:
            failures.append(f"new connections beside idle ones: {self.new.errors}")
        return failures


class Slow:
    """Latency of others, quiet and with idle and slow clients, whose places are taken again when they are ended."""

    IDLE, SLOW_HEADER, SLOW_BODY = 200, 200, 50
    RATE = 200  # requests per second of the probe, each on a new connection
    LOADS = {"probe": f"{RATE} new connections/s", "wrk": "16 busy connections"}

    def __init__(self, quick):
        self.rounds = 1 if quick else 3
        self.probe_seconds, self.wrk_seconds = (3, 2) if quick else (10, 5)
        self.samples = {(name, slow): [] for name in self.LOADS for slow in (False, True)}
        self.ended = []
        self.stuck = 0
        self.idle_kept = 0

    def run(self, say):
        server = start_standalone()
        idle = IdleConnections(server.port, answers.body("small"))
        try:
            load.wrk(server, "small", 64, 1)
            for number in range(self.rounds):
                self._measure(server, slow=False)
                opened = idle.open(self.IDLE, patience=20)
                deadlines = {"header": HEADER_DEADLINE, "body": REQUEST_DEADLINE}
                slow = SlowClients(server.port, {"header": self.SLOW_HEADER, "body": self.SLOW_BODY}, deadlines)
                slow.start()
                time.sleep(0.5)
                self._measure(server, slow=True)
                slow.finish()
                self.idle_kept += idle.still_open()
                idle.close()
                self.ended += slow.ended
                self.stuck += slow.stuck
                ended = len(slow.ended)
                say(f"slow clients, round {number + 1}: {opened} idle ones stood, {ended} slow ones were ended")
        finally:
            idle.close()
            server.stop()

    def _measure(self, server, slow):
        probe = {"close": True, "rate": self.RATE, "connections": 64}
        self.samples["probe", slow].append(load.generate(server, "small", self.probe_seconds, **probe))
        self.samples["wrk", slow].append(load.wrk(server, "small", 16, self.wrk_seconds, threads=1))

    def _p99(self, name, slow):
        return table.median([sample.p99 for sample in self.samples[name, slow]])

    def _right(self, end):
        deadline = HEADER_DEADLINE if end.kind == "header" else REQUEST_DEADLINE
        return end.status == 408 and abs(end.seconds - deadline) <= TOLERANCE

    def _errors(self):
        total = {}
        for samples in self.samples.values():
            for sample in samples:
                for name, count in sample.errors.items():
                    total[name] = total.get(name, 0) + count
        return total

    def table(self):
        lines = [table.row("load", "quiet p50 ms", "quiet p99 ms", "with slow clients p50 ms", "p99 ms"),
                 "|---|---:|---:|---:|---:|"]
        for name, title in self.LOADS.items():
            columns = [
                table.milliseconds(table.median([getattr(sample, field) for sample in self.samples[name, slow]]))
                for slow in (False, True) for field in ("p50", "p99")
            ]
            lines.append(table.row(title, *columns))
        head = table.row("slow clients", "at a time", "ended", "after s", "with 408 in time")
        lines += ["", head, "|---|---:|---:|---:|---:|"]
        for kind, count in {"header": self.SLOW_HEADER, "body": self.SLOW_BODY}.items():
            ends = [end for end in self.ended if end.kind == kind]
            times = f"{min(end.seconds for end in ends):.2f} to {max(end.seconds for end in ends):.2f}" if ends else ""
            lines.append(table.row(f"a byte of the {kind} per second", count, len(ends), times,
                                   sum(self._right(end) for end in ends)))
        lines += ["", f"In time: within {TOLERANCE:g} s of 5 s for the header, of 10 s for the whole request."]
        return lines

    def reaches(self):
        work = f"{self.IDLE} idle, {self.SLOW_HEADER} slow-header, {self.SLOW_BODY} slow-body"
        reaches = []
        for name, title in self.LOADS.items():
            figure = self._p99(name, True) / max(self._p99(name, False), 1)
            reaches.append(table.Reach(work, f"p99 × quiet, {title}", figure, 2, at_most=True))
            work = ""
        right = sum(self._right(end) for end in self.ended)
        total = len(self.ended) + self.stuck
        share = right / total if total else 0
        reaches.append(table.Reach("", "of the slow ones ended at their deadline with 408", share, 1))
        return reaches

    def failures(self):
        failures = []
        wrong = [end for end in self.ended if not self._right(end)]
        if wrong:
            failures.append(f"{len(wrong)} slow clients were not ended at their deadline with 408, such as {wrong[0]}")
        if self.stuck:
            failures.append(f"{self.stuck} slow clients were not ended")
        if self.idle_kept != self.IDLE * self.rounds:
            lost = self.IDLE * self.rounds - self.idle_kept
            failures.append(f"{lost} idle connections were not answered or not kept")
        if self._errors():
            failures.append(f"requests beside slow clients: {self._errors()}")
        return failures


TRIALS = {"idle": Idle, "slow": Slow}
