"""Programs of a root file system as a pod of Kubernetes' "restricted" profile runs them. The caller is root in mount,
network and process namespaces of its own."""
import ctypes
import os
import subprocess
from pathlib import Path

USER = 65532
CONFIG = "/etc/livekit-token-service"
# linux/prctl.h
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38

libc = ctypes.CDLL(None, use_errno=True)


def mount(*args):
    subprocess.run(["mount", *args], check=True)


def prctl(option, argument):
    if libc.prctl(option, ctypes.c_ulong(argument), 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl {option}")


class Pod:
    """Mounts the root file system read-only, with a folder of configuration and secrets. What started programs print
    goes to `log`, a file."""

    def __init__(self, root, log):
        self.root = Path(root)
        self.log = log
        mount("--make-rprivate", "/")
        mount("--bind", root, root)
        mount("-t", "tmpfs", "-o", f"mode=0750,gid={USER}", "config", root + CONFIG)
        mount("-t", "proc", "proc", root + "/proc")
        mount("-o", "remount,bind,ro", root)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        self.last_capability = int(Path("/proc/sys/kernel/cap_last_cap").read_text())

    def write(self, name, text):
        """A file as a secret's volume with defaultMode 0440 has it."""
        path = self.root / CONFIG[1:] / name
        path.write_text(text)
        os.chown(path, 0, USER)
        path.chmod(0o440)

    def _enter(self):
        os.chroot(self.root)
        os.chdir("/")
        for capability in range(self.last_capability + 1):
            prctl(PR_CAPBSET_DROP, capability)
        os.setgroups([])
        os.setresgid(USER, USER, USER)
        os.setresuid(USER, USER, USER)
        prctl(PR_SET_NO_NEW_PRIVS, 1)

    def start(self, program, *args):
        """Starts a program of the image."""
        return subprocess.Popen([f"/usr/bin/{program}", *args], env={}, preexec_fn=self._enter, stdout=self.log,
                                stderr=self.log)

    def call(self, program, *args, given=""):
        """Runs a program to its end."""
        return subprocess.run([f"/usr/bin/{program}", *args], env={}, preexec_fn=self._enter, input=given, text=True,
                              capture_output=True, check=False, timeout=60)

    def status(self, process):
        """What the kernel says of a running process, such as its capabilities."""
        path = self.root / "proc" / str(process.pid) / "status"
        return dict(line.split(":\t", 1) for line in path.read_text().splitlines())
