"""Load on a cluster, and its report."""

import json
import signal
import subprocess
from dataclasses import dataclass

from processes import BIN, Failed


@dataclass
class Report:
    """What fault_load (tally.h) has counted. Times are milliseconds, `start` and `at()` seconds of time.monotonic()."""

    values: dict

    def __getattr__(self, name):
        return self.values[name]

    @property
    def outcomes_text(self):
        return ", ".join(f"{count} {name}" for name, count in sorted(self.outcomes.items())) or "none"

    def at(self, second):
        """The moment, by time.monotonic(), of a time that the report gives."""
        return self.start + second

    @property
    def last_failure(self):
        return None if self.last_failure_s is None else self.at(self.last_failure_s)

    @property
    def first_failure(self):
        return None if self.first_failure_s is None else self.at(self.first_failure_s)

    def _sum(self, series, begin, end):
        width = self.bin_ms / 1000
        return sum(count for index, count in enumerate(series)
                   if begin <= self.at(index * width) and self.at((index + 1) * width) <= end)

    def ok_between(self, begin, end=float("inf")):
        """Good answers between two moments, in bins that lie between them as a whole."""
        return self._sum(self.ok_series, begin, end)

    def failed_between(self, begin, end=float("inf")):
        return self._sum(self.failed_series, begin, end)


class Load:
    """A running fault_load. `how` are its flags, such as `http="127.0.0.1:80"`."""

    def __init__(self, prefix=(), **how):
        flags = [f"--{name}={value}" for name, value in how.items()]
        self.process = subprocess.Popen(
            [*map(str, prefix), str(BIN / "fault_load"), *flags], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, start_new_session=True,
        )

    def running(self):
        return self.process.poll() is None

    def stop(self):
        """No further requests; returns the report once those in flight have ended."""
        self.process.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self):
        """The report, at the end of its time."""
        out, errors = self.process.communicate(timeout=900)
        if self.process.returncode != 0:
            raise Failed(f"fault_load: {errors.strip()}")
        return Report(json.loads(out.strip().splitlines()[-1]))

    def kill(self):
        if self.running():
            self.process.kill()
        self.process.communicate()


class Loads:
    """Several loads by name at once. Use it with `with`, which ends them when the scenario is cut short."""

    def __init__(self, **loads):
        """Each is a dictionary of fault_load's flags."""
        self.loads = {name: Load(**how) for name, how in loads.items()}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for load in self.loads.values():
            load.kill()

    def stop(self):
        """Reports by name."""
        for load in self.loads.values():
            load.process.send_signal(signal.SIGINT)
        return {name: load.wait() for name, load in self.loads.items()}


def http_load(cluster, rate=200, **more):
    """Flags of a load on all gateways until it is stopped; every token must verify with the cluster's keys."""
    return {"http": cluster.http, "rate": rate, "seconds": 600, "verify_keys": cluster.keys, **more}


def grpc_load(cluster, rate=200, retries="on", **more):
    """The same on all servers, as the calling program that may mint."""
    return {
        "grpc": cluster.target, "rate": rate, "seconds": 600, "retries": retries, "verify_keys": cluster.keys,
        "credential_file": cluster.minter_key, **more,
    }
