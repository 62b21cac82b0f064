"""P3: whoever reads the log stops reading, or the disk under it is full."""

import json
import os
import signal
import subprocess
import time

from load import grpc_load, http_load
from processes import PATIENCE, Cluster, await_that
from scenario import Result, control, loads, scenario

RATE = 600  # more than 8,192 lines, which the queue holds, in the first third of the fault
FAULT = 60
FULL_DISK = 5
MOST_GROWTH = 4 << 20  # bytes, over the second half of the fault
# On a quiet machine the p99 without a fault is below a millisecond, and runs differ by more than that.
MOST_P99, MORE_P99_MS = 1.5, 2.0


def with_log(path):
    """What a program is started through whose standard error is `path`."""
    return "sh", "-c", f'exec "$@" 2>"{path}"', "sh"


class Reader:
    """Reads the log of one program from a pipe into a file."""

    def __init__(self, folder, name):
        self.pipe = folder / f"{name}.pipe"
        self.lines = folder / f"{name}.lines"
        os.mkfifo(self.pipe)
        self.process = None

    def start(self):
        with open(self.lines, "ab") as lines:
            self.process = subprocess.Popen(["cat", self.pipe], stdout=lines, start_new_session=True)

    def stop(self):
        self.process.kill()
        self.process.wait(PATIENCE)


def both(cluster):
    return {"http": http_load(cluster, rate=RATE), "grpc": grpc_load(cluster, rate=RATE)}


def unchanged(result, quiet, faulty):
    result.none_failed(quiet, faulty)
    for name, report in faulty.items():
        most = max(MOST_P99 * quiet[name].p99_ms, quiet[name].p99_ms + MORE_P99_MS)
        result.check_measured(f"{name}: p99 is at most {most:.1f} ms; it is {report.p99_ms:.1f} ms",
                              report.p99_ms <= most)


def dropped(program):
    return program.metric("log_dropped_total")


@scenario("p3", f"nobody reads the log for {FAULT} s: no request fails or waits, lines are dropped and counted")
def blocked(folder):
    result = Result()
    readers = [Reader(folder, name) for name in ("server0", "gateway0")]
    with Cluster(folder) as cluster:
        server = cluster.add_server(prefix=with_log(readers[0].pipe))
        gateway = cluster.add_gateway(prefix=with_log(readers[1].pipe))
        try:
            for reader in readers:
                reader.start()
            cluster.start()
            quiet = control(seconds=10, **both(cluster))
            for program in cluster.programs:
                result.check(f"{program.name}: no line of the control was dropped", dropped(program) == 0)
            for reader in readers:
                reader.process.send_signal(signal.SIGSTOP)
            with loads(**both(cluster)) as running:
                time.sleep(FAULT / 2)
                before = {program: (dropped(program), memory(program)) for program in cluster.programs}
                time.sleep(FAULT / 2)
                after = {program: (dropped(program), memory(program)) for program in cluster.programs}
                unchanged(result, quiet, running.stop())
            for program, (lines, size) in before.items():
                more, growth = after[program][0] - lines, after[program][1] - size
                result.check(f"{program.name}: lines are dropped and counted; {lines:.0f} and then {more:.0f} were",
                             lines > 0 and more > RATE * FAULT / 4)
                result.check(f"{program.name}: grows by at most {MOST_GROWTH >> 20} MiB; by {growth / 2**20:.1f} MiB",
                             growth <= MOST_GROWTH)
            lines = [len(whole_lines(reader)) for reader in readers]
            for reader in readers:
                reader.process.send_signal(signal.SIGCONT)
            await_that(lambda: all(len(whole_lines(reader)) > before + 8000 for reader, before in zip(readers, lines)),
                       "the lines that waited are written")
            for reader in readers:
                reader.process.send_signal(signal.SIGSTOP)
            with loads(http=http_load(cluster, rate=RATE)):
                await_that(lambda: dropped(gateway) > after[gateway][0], "the pipe is full again")
            # Raises unless they end with status 0.
            for program in (gateway, server):
                program.terminate()
            for reader in readers:
                result.check(f"{reader.lines.name}: holds whole lines only", None not in whole_lines(reader))
        finally:
            for reader in readers:
                reader.stop()
    return result


def memory(program):
    return program.metric("process_resident_memory_bytes")


def whole_lines(reader):
    """The lines so far; None for one that is not a JSON object."""
    found = []
    for line in reader.lines.read_text().splitlines():
        try:
            found.append(json.loads(line)["event"])
        except (ValueError, KeyError, TypeError):
            found.append(None)
    return found


@scenario("p3full", "the log's disk is full: no request fails or waits, lines are dropped and counted")
def full(folder):
    result = Result()
    with Cluster(folder) as cluster:
        cluster.add_server()
        cluster.add_gateway()
        cluster.start()
        quiet = control(seconds=FULL_DISK, **both(cluster))
        cluster.stop()
        for program in cluster.programs:
            program.prefix = list(with_log("/dev/full"))
        cluster.start()
        with loads(**both(cluster)) as running:
            time.sleep(FULL_DISK)
            unchanged(result, quiet, running.stop())
        for program in cluster.programs:
            lines = dropped(program)
            result.check(f"{program.name}: every line is counted; {lines:.0f} were", lines > RATE * FULL_DISK / 2)
        for program in reversed(cluster.programs):
            program.terminate()
    return result
