"""A small Debian with systemd as process 1, in namespaces: no network but loopback, nothing left at the end."""

import hashlib
import os
import pathlib
import platform
import shutil
import subprocess
import time

FOLDER = pathlib.Path(__file__).parent
TOOLS = ("mmdebstrap", "unshare", "nsenter")
# What takes settings of the kernel or the network to be its own.
MASKED = ("systemd-sysctl.service", "systemd-modules-load.service", "sys-kernel-debug.mount",
          "sys-kernel-tracing.mount", "dev-hugepages.mount", "apt-daily.timer", "apt-daily-upgrade.timer")


class Missing(Exception):
    """What the test needs is not there."""


def make_root(cache, packages):
    """The folder with this machine's release of Debian and the packages; made once for each set of packages."""
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    packages = sorted({"systemd", "systemd-sysv", "logrotate", "curl", *packages})
    hooks = [f"ln -s /dev/null $1/etc/systemd/system/{unit}" for unit in MASKED]
    # mmdebstrap makes no file of hosts, and copies this machine's name servers.
    hooks += ["echo 127.0.0.1 localhost > $1/etc/hosts", ": > $1/etc/resolv.conf"]
    options = ["--mode=root", "--variant=minbase", f"--include={','.join(packages)}",
               *(f"--customize-hook={hook}" for hook in hooks)]
    name = hashlib.sha256(" ".join([release, *options]).encode()).hexdigest()[:16]
    root = cache / f"root-{name}"
    if root.exists():
        return root
    cache.mkdir(parents=True, exist_ok=True)
    for old in cache.glob("root-*"):
        shutil.rmtree(old)
    fresh = cache / "root-unfinished"
    made = subprocess.run(["mmdebstrap", *options, release, str(fresh)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if made.returncode != 0:
        raise Missing(f"mmdebstrap failed:\n{made.stdout[-3000:]}")
    fresh.rename(root)
    return root


def eventually(condition, seconds, what):
    """What `condition` returns as soon as it is true; fails with `what` when it has not been for that long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")


class Machine:
    """Use it with `with`. Needs root."""

    def __init__(self, root, work):
        self.root = root
        self.work = work
        unified = pathlib.Path("/sys/fs/cgroup/unified")
        top = unified if unified.exists() else pathlib.Path("/sys/fs/cgroup")
        if not (top / "cgroup.procs").exists():
            raise Missing("there is no hierarchy of control groups of version 2 at /sys/fs/cgroup or below")
        self.cgroup = top / f"livekit-token-debian-{os.getpid()}"

    def __enter__(self):
        self.cgroup.mkdir()
        enter = f'echo $$ >"{self.cgroup}/cgroup.procs" && exec "$@"'
        namespaces = ["unshare", "--pid", "--mount", "--uts", "--ipc", "--net", "--cgroup", "--fork",
                      "--kill-child=KILL"]
        self.outside = subprocess.Popen(["sh", "-c", enter, "sh", *namespaces, str(FOLDER / "boot"), str(self.root),
                                         str(self.work)], stdin=subprocess.DEVNULL)
        try:
            self.init = eventually(self._init, 20, "systemd runs")
            eventually(lambda: self.run("systemctl", "is-system-running", check=False).stdout.strip() == "running", 60,
                       "systemd says that the system runs")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.outside.kill()
        self.outside.wait()
        groups = [pathlib.Path(folder) for folder, _, _ in os.walk(self.cgroup, topdown=False)]
        eventually(lambda: all(self._remove(group) for group in groups), 20, "the machine's control groups are empty")

    @staticmethod
    def _remove(group):
        try:
            group.rmdir()
        except FileNotFoundError:
            pass
        except OSError:
            return False
        return True

    def _init(self):
        if self.outside.poll() is not None:
            raise Missing(f"the machine did not start: status {self.outside.returncode}")
        children = pathlib.Path(f"/proc/{self.outside.pid}/task/{self.outside.pid}/children").read_text().split()
        if not children or pathlib.Path(f"/proc/{children[0]}/comm").read_text() != "systemd\n":
            return None
        return children[0]

    def command(self, *command):
        """The command as it is to be run from outside."""
        return ["nsenter", "--target", self.init, "--all", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", *command]

    def run(self, *command, check=True, stdin=""):
        """Runs a command as root inside. Unless `check` is false it has to succeed."""
        done = subprocess.run(self.command(*command), input=stdin, capture_output=True, text=True, timeout=200)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(command)[:200]}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def output(self, *command):
        return self.run(*command).stdout.strip()

    def shell(self, script):
        return self.run("bash", "-euo", "pipefail", "-c", script)

    def show(self, unit, name):
        """A property of a unit."""
        return self.output("systemctl", "show", "--property", name, "--value", unit)
