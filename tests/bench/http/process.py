"""Programs that the benchmark starts, and what they use."""

import os
import pathlib
import signal
import socket
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Program:
    """A started program with all processes that it starts: they are of one session, that of the first."""

    def __init__(self, argv, folder, name, env=None):
        self.log = folder / f"{name}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [str(word) for word in argv], cwd=folder, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )

    @property
    def pid(self):
        return self.process.pid

    def ended(self):
        return self.process.poll() is not None

    def last_words(self):
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "no output"

    def processes(self):
        """Folders in /proc of all its processes."""
        for folder in pathlib.Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            fields = stat_fields(folder)
            if fields and int(fields[3]) == self.pid and fields[0] != "Z":  # session, zombies do not count
                yield folder

    def cpu_seconds(self):
        """User and system time of its processes, living or reaped by one of them; exact to a tick, 10 ms."""
        ticks = 0
        for folder in self.processes():
            ticks += sum(int(field) for field in stat_fields(folder)[11:15])  # utime, stime, cutime, cstime
        return ticks / TICKS

    def cpu_milliseconds(self):
        """The same of its living threads, exact to less than a microsecond."""
        nanoseconds = 0
        for folder in self.processes():
            for thread in (folder / "task").iterdir():
                try:
                    nanoseconds += int((thread / "schedstat").read_text().split()[0])
                except FileNotFoundError:
                    pass  # it has ended
        return nanoseconds / 1e6

    def resident_bytes(self):
        total = 0
        for folder in self.processes():
            for line in (folder / "status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1]) * 1024
        return total

    def stop(self):
        """Ends it and whatever it started."""
        for how in (signal.SIGINT, signal.SIGKILL):
            try:
                os.killpg(self.pid, how)
            except ProcessLookupError:
                pass
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                continue
            if not any(self.processes()):
                return
            time.sleep(0.5)


def stat_fields(folder):
    """Fields of /proc/PID/stat after the command's name: [0] is the state; None if the process has ended."""
    try:
        return (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def machine_ticks():
    """Ticks of all cores so far: all, and those that the host gave to others (steal)."""
    with open("/proc/stat", encoding="ascii") as file:
        fields = [int(field) for field in file.readline().split()[1:9]]
    return sum(fields), fields[7]
