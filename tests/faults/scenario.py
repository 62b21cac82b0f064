"""What a scenario is: a fault under load beside the same load without it, and what must hold."""

import contextlib
import time
from dataclasses import dataclass, field

from load import Loads

CONTROL_SECONDS = 3
SCENARIOS = {}


@dataclass
class Result:
    """What a scenario has found: `rows` of (load, control, report), and checks of (sentence, whether it holds). The
    sentences about times and growth, to which the machine's other work adds, stand in `measured` too."""

    rows: list = field(default_factory=list)
    checks: list = field(default_factory=list)
    measured: set = field(default_factory=set)
    figures: dict = field(default_factory=dict)

    def check(self, sentence, holds):
        self.checks.append((sentence, bool(holds)))

    def check_measured(self, sentence, holds):
        self.check(sentence, holds)
        self.measured.add(sentence)

    def figure(self, name, value):
        self.figures[name] = round(value, 3) if isinstance(value, float) else value

    def none_failed(self, control, faulty):
        """Adds reports by name as rows. In none of them may a request have failed."""
        self.add(control, faulty)
        for name, report in faulty.items():
            self.at_most(name, report, 0)

    def at_most(self, name, report, share):
        """At most this share of the requests of a load may have failed."""
        text = f"{name}: at most {share:.2%} failed" if share else f"{name}: none failed"
        self.check(f"{text}; {report.failed} of {report.requests} did ({report.outcomes_text})",
                   report.requests > 0 and report.failed <= share * report.requests)

    def p99_at_most(self, name, quiet, report, times=2, floor_ms=2):
        """So many times the control's at most. Below the floor a control says more about the scheduler than about us:
        with nothing else to do it is 0.5 ms, and differs by more than that from run to run."""
        most = times * max(quiet.p99_ms, floor_ms)
        self.check_measured(f"{name}: p99 is at most {most:.1f} ms ({times} x the control, or x {floor_ms} ms if that "
                            f"is more); it is {report.p99_ms:.1f} ms", report.p99_ms <= most)

    def add(self, control, faulty):
        """Adds reports by name as rows. The control never fails, or it would say nothing."""
        for name, report in faulty.items():
            quiet = control[name]
            self.rows.append((name, quiet, report))
            self.check(f"{name}: none of the control failed; {quiet.failed} of {quiet.requests} did "
                       f"({quiet.outcomes_text})", quiet.ok > 0 and quiet.failed == 0)

    @property
    def spoiled(self):
        """Nothing is wrong but what the machine may have added to."""
        return not self.passed and all(holds or sentence in self.measured for sentence, holds in self.checks)

    @property
    def passed(self):
        return bool(self.checks) and all(holds for _, holds in self.checks)


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    run: object
    long: bool  # runs only when it is named
    minutes: bool  # takes the number of minutes


def scenario(name, title, long=False, minutes=False):
    """Makes a function of a folder, and of minutes if it says so, that returns a Result the scenario `name`."""

    def add(function):
        assert name not in SCENARIOS, name
        SCENARIOS[name] = Scenario(name, title, function, long, minutes)
        return function

    return add


@contextlib.contextmanager
def loads(**how):
    """Loads by name, under way."""
    with Loads(**how) as running:
        yield running


def control(seconds=CONTROL_SECONDS, **how):
    """Reports of the loads when there is no fault."""
    with Loads(**how) as running:
        time.sleep(seconds)
        return running.stop()
