"""One measurement: load on one server for a few seconds."""

import json
import pathlib
import subprocess
from dataclasses import dataclass

import answers
import callers
import peers

SCRIPT = pathlib.Path(__file__).with_name("post.lua")
GENERATOR = peers.ROOT / "build/bin/http_load"
THREADS = 2
ERRORS = ("connect_errors", "status_errors", "read_errors", "timeouts")


@dataclass(frozen=True)
class Cell:
    """What is measured: a kind of request, connections, whether each request has a new one, and who asks."""

    kind: str
    connections: int
    new: bool = False
    caller: str = ""

    @property
    def name(self):
        return f"{self.kind}{'-' if self.caller else ''}{self.caller}-{'new' if self.new else self.connections}"

    @property
    def title(self):
        how = f"a new connection per request, {self.connections} clients" if self.new else (
            f"{self.connections} connection{'s' if self.connections > 1 else ''}"
        )
        who = {"": "", "jwt": " with a JWT", "jwt-ten-rules": " with a JWT, ten rules"}[self.caller]
        return f"{'small body' if self.kind == 'small' else 'agent dispatch'}{who}, {how}"


CELLS = [
    *(Cell(kind, connections) for kind in answers.REQUESTS for connections in (1, 16, 64, 512)),
    *(Cell(kind, 32, new=True) for kind in answers.REQUESTS),
    *(Cell(kind, 64, caller="jwt") for kind in answers.REQUESTS),
    Cell("small", 64, caller="jwt-ten-rules"),
]
BY_NAME = {cell.name: cell for cell in CELLS}


@dataclass
class Sample:
    """Result of one measurement; times in microseconds."""

    per_second: float
    p50: float
    p99: float
    longest: float
    requests: int
    errors: dict
    cpu: float = 0.0  # of the server per request


def _run(argv):
    result = subprocess.run([str(word) for word in argv], stdout=subprocess.PIPE, text=True, check=True, timeout=120)
    report = json.loads(result.stdout.strip().splitlines()[-1])
    errors = {name: report[name] for name in ERRORS if report[name]}
    times = [report[name] for name in ("p50_us", "p99_us", "max_us")]
    if not report["requests"]:
        errors["no answer"] = 1
        times = [float("inf")] * 3
    return Sample(report["per_second"], *times, report["requests"], errors)


def body_file(kind):
    path = peers.WORK / f"{kind}.json"
    path.write_bytes(answers.body(kind))
    return path


def wrk(server, kind, connections, seconds, threads=THREADS, caller=""):
    """Keep-alive connections, each with the next request as soon as one is answered."""
    url = f"http://127.0.0.1:{server.port}{server.path(kind)}"
    threads = min(threads, connections)
    options = [f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--timeout", "2s", "-s", SCRIPT]
    lines = [f"{name}: {value}" for name, value in callers.headers(caller).items()]
    return _run([peers.need("wrk"), *options, url, "--", body_file(kind), *lines])


def generate(server, kind, seconds, **options):
    """Our own generator; `close=True` for a new connection per request, `rate` for a fixed rate."""
    words = [f"--{name}" if value is True else f"--{name}={value}" for name, value in options.items()]
    fixed = [f"--port={server.port}", f"--path={server.path(kind)}", f"--body={body_file(kind)}"]
    return _run([GENERATOR, *fixed, f"--seconds={seconds}", *words])


def measure(server, cell, seconds):
    before = server.cpu_seconds()
    if cell.new:
        options = {"connections": cell.connections, "threads": THREADS, "close": True}
        sample = generate(server, cell.kind, seconds, **options)
    else:
        sample = wrk(server, cell.kind, cell.connections, seconds, caller=cell.caller)
    if sample.requests:
        sample.cpu = (server.cpu_seconds() - before) / sample.requests * 1e6
    return sample
