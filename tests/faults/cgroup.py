"""Control groups of version 1 (as mounted at /sys/fs/cgroup), each with one limit and the programs started in it."""

import os
import pathlib
import time

from processes import Missing

ROOT = pathlib.Path("/sys/fs/cgroup")


class Group:
    """Use it with `with`; its programs must have ended before the end."""

    def __init__(self, controller, name, **limits):
        self.path = ROOT / controller / f"livekit-token-faults-{os.getpid()}-{name}"
        self.limits = limits
        if not (ROOT / controller / "cgroup.procs").exists():
            raise Missing(f"there is no cgroup v1 controller `{controller}` at {ROOT}")

    def __enter__(self):
        try:
            self.path.mkdir()
            for name, value in self.limits.items():
                (self.path / name.replace("__", ".")).write_text(str(value))
        except OSError as error:
            raise Missing(f"a control group cannot be made: {error}") from None
        return self

    def __exit__(self, *_):
        for _ in range(50):
            try:
                return self.path.rmdir()
            except OSError:
                time.sleep(0.1)

    @property
    def prefix(self):
        """What starts a program inside: the shell moves itself and becomes the program."""
        return ["sh", "-c", f"echo $$ > {self.path}/cgroup.procs && exec \"$@\"", "sh"]

    def read(self, name):
        return (self.path / name).read_text()

    def number(self, name, key):
        """A number of a file of lines `KEY NUMBER`."""
        return next(int(line.split()[1]) for line in self.read(name).splitlines() if line.split()[0] == key)
