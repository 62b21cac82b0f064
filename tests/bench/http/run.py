#!/usr/bin/env python3
"""`./dev bench http`: our HTTP endpoint against nginx, Go, Node, Python and Rust, on one machine in one run.

All servers run all the time; rounds alternate over them, so that what else happens on the machine meets all of them.
Prints Markdown; progress goes to standard error. Exits with 1 if one of our servers failed a request or did not end a
slow one at its deadline; a reach that is missed is only shown.
"""

import argparse
import json
import os
import pathlib
import platform
import resource
import signal
import sys
import time

import hostile
import load
import peers
import servers
import table
from process import machine_ticks

REPORT = peers.WORK / "http.md"
QUICK_SERVERS = ["standalone", "access-log", "tcp", "unix", "nginx", "go"]
QUICK_CELLS = ["small-64", "dispatch-64", "small-new", "small-jwt-64", *hostile.TRIALS]


def names(known):
    def parse(text):
        chosen = text.split(",")
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(known)}")
        return chosen

    return parse


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench http", description=__doc__)
    all_cells = [*load.BY_NAME, *hostile.TRIALS]
    parser.add_argument("--quick", action="store_true", help="one short round, ours, nginx and Go, few cells")
    parser.add_argument("--servers", type=names(servers.ALL), help=",".join(servers.ALL))
    parser.add_argument("--cells", type=names(all_cells), help=",".join(all_cells))
    parser.add_argument("--rounds", type=int, help="default 5")
    parser.add_argument("--seconds", type=int, help="of a measurement; default 3")
    options = parser.parse_args()
    options.servers = options.servers or (QUICK_SERVERS if options.quick else servers.ALL)
    options.cells = options.cells or (QUICK_CELLS if options.quick else all_cells)
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.seconds = options.seconds or (1 if options.quick else 3)
    return options


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def raise_file_limit():
    """Ten thousand connections need as many file descriptors, in us and in the server, which inherits the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Field:
    """The servers that take part, started and checked, and why the others do not."""

    def __init__(self):
        self.started = {}
        self.missing = {}
        self.failed = []  # of ours

    def start(self, keys):
        sizes = None
        # Ours first: nginx answers with as many bytes.
        for key in sorted(keys, key=servers.ALL.index):
            title = (servers.OURS.get(key) or servers.PEERS.get(key))[0]
            try:
                if key == "nginx":
                    start = servers.nginx(sizes or {"small": 400, "dispatch": 520})
                else:
                    start = (servers.OURS.get(key) or servers.PEERS.get(key))[1]()
                server = servers.Server(key, title, start, constant=key == "nginx")
                server.start()
                self.started[key] = server
                measured = server.check()
                sizes = sizes or measured
                say(f"{title}: started, its tokens are right")
            except Exception as error:  # whatever it is, the others go on, and the table says so
                self._drop(key, title, error)

    def _drop(self, key, title, error):
        say(f"{title}: {error}")
        what = "not installed" if isinstance(error, peers.NotInstalled) else "left out"
        self.missing[title] = f"{what}: {error}"
        if key in servers.OURS:
            self.failed.append(title)
        if key in self.started:
            self.started.pop(key).stop()

    def titles(self):
        return {key: server.title for key, server in self.started.items()}

    def stop(self):
        for server in self.started.values():
            server.stop()


def warm_up(field, seconds):
    """Just-in-time compilers, pools and pages."""
    for server in field.started.values():
        load.wrk(server, "dispatch", 16, seconds)


def warn_of_idle_work(field):
    """A server that works while others are measured would disturb them."""
    time.sleep(0.5)
    before = {server: server.cpu_milliseconds() for server in field.started.values()}
    time.sleep(1)
    for server, start in before.items():
        used = server.cpu_milliseconds() - start
        if used > 20:
            say(f"{server.title} uses {used:.0f} ms of CPU per second without any request")


def rounds(field, cells, options):
    results = table.Results()
    for number in range(options.rounds):
        for cell in cells:
            for key, server in field.started.items():
                if cell.caller and key != "standalone":
                    continue  # no peer authenticates anybody
                sample = load.measure(server, cell, options.seconds)
                results.add(cell, key, sample)
                errors = f", ERRORS {sample.errors}" if sample.errors else ""
                say(f"round {number + 1}, {cell.name}, {key}: {sample.per_second:,.0f}/s{errors}")
    return results


def machine(ticks_before):
    ticks, steal = (after - before for after, before in zip(machine_ticks(), ticks_before))
    model = "unknown processor"
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
    stolen = f"{100 * steal / max(ticks, 1):.1f} % of the time taken by other virtual machines"
    busy = os.getloadavg()[0]
    return f"{os.cpu_count()} cores ({model}), Linux {platform.release()}, load average {busy:.1f}, {stolen}."


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers are stopped
    peers.WORK.mkdir(parents=True, exist_ok=True)
    raise_file_limit()
    ticks = machine_ticks()
    started = time.monotonic()
    cells = [load.BY_NAME[name] for name in options.cells if name in load.BY_NAME]
    lines, reaches = [], []
    failures = []
    if cells:
        field = Field()
        try:
            field.start(options.servers)
            warm_up(field, 1 if options.quick else 3)
            warn_of_idle_work(field)
            results = rounds(field, cells, options)
        finally:
            field.stop()
        failures += field.failed
        for cell in cells:
            for key in servers.OURS:
                if results.errors(cell.name, key):
                    failures.append(f"{cell.name} {key}: {results.errors(cell.name, key)}")
        lines += [f"{options.rounds} alternating rounds of {options.seconds} s; medians.", ""]
        lines += table.results_table(results, cells, field.titles(), field.missing)
        lines += ["", *table.summary(results, cells, field.titles()), ""]
        lines += [f"* {key}: {servers.PEERS[key][2]()}" for key in field.started if key in servers.PEERS] + [""]
        reaches += table.http_reaches(results)
        raw = {f"{cell} {key}": list(map(vars, samples)) for (cell, key), samples in results.samples.items()}
        (peers.WORK / "http.json").write_text(json.dumps(raw, indent=1))
    for name in hostile.TRIALS:
        if name in options.cells:
            trial = hostile.TRIALS[name](options.quick)
            trial.run(say)
            lines += [*trial.table(), ""]
            reaches += trial.reaches()
            failures += trial.failures()
    lines += [*table.REACH_HEAD, *(reach.line() for reach in reaches), "", machine(ticks)]
    report = "\n".join(lines) + "\n"
    REPORT.write_text(report)
    print(report)
    say(f"{time.monotonic() - started:.0f} s; the report is in {REPORT.relative_to(peers.ROOT)}")
    for failure in failures:
        say(f"FAILED: {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
