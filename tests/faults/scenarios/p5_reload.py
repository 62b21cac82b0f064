"""P5: configurations that must be refused, under load."""

import json
import re
import shutil
import threading
import time

from load import grpc_load, http_load
from processes import Cluster, await_that, write
from scenario import Result, control, loads, scenario
from volume import ServerVolume, Volume, key_file

LIMIT = 1.5  # seconds after which a refusal can be seen, and a recovery too
PATIENCE = 12  # seconds; files are looked at every 10 s in any case
SHORT = "t00ShortASecret"
WRONG = "Wr0ngValue"


class Files:
    """What the kubelet would write for one server: a ConfigMap and a Secret, each of which is swapped by itself."""

    def __init__(self, cluster, server):
        self.cluster = cluster
        self.server = server
        self.config = ServerVolume(cluster, server)
        self.secret = Volume(cluster.folder / "secret")
        self.config.text = self.config.text.replace(str(self.config / "keys.yaml"), str(self.secret / "keys.yaml"))
        self.keys = {}
        self.add_key()
        self.signing = self.newest
        self.mend()

    def add_key(self):
        """A new one, which everybody knows but the server."""
        self.newest = f"APIkey{len(self.keys)}"
        self.keys[self.newest] = self.cluster.secret()
        write(self.cluster.keys, key_file(self.keys))

    @property
    def good(self):
        return self.config.config(self.signing)

    def swap_config(self, text):
        self.config.swap({"server.yaml": text})

    def swap_keys(self, text):
        self.secret.swap({"keys.yaml": text})

    def mend(self):
        """Everything as it was, but of a new generation."""
        self.swap_config(self.good)
        self.swap_keys(key_file(self.keys))

    # Each fault below is brought about, and says in which line it must be seen: its path and some words. It returns
    # what mends it, if that is not `mend`.

    def truncated(self):
        self.swap_config(self.good[: self.good.index("services:") + 30])
        return "", "is not valid YAML near line"

    def unknown_field(self):
        self.swap_config(self.good + f"drian: {WRONG}\n")
        return "drian", "is not a known key"

    def wrong_mode(self):
        (self.secret.present / "keys.yaml").chmod(0o604)
        return "projects[0].keys", f"{self.secret / 'keys.yaml'}: others may access", \
            lambda: (self.secret.present / "keys.yaml").chmod(0o600)

    def empty_keys(self):
        self.swap_keys("")
        return "projects[0].keys", f"{self.secret / 'keys.yaml'}: there is no key"

    def short_secret(self):
        self.swap_keys(key_file({**self.keys, "APIshort": SHORT}))
        return "projects[0].keys", f"{self.secret / 'keys.yaml'}: line {len(self.keys) + 1}: the API secret is shorter"

    def half_swapped(self):
        """The configuration names a key that comes with the other volume."""
        self.add_key()
        self.signing = self.newest
        self.swap_config(self.good)
        return "projects[0].keys.signing_key", "", lambda: self.swap_keys(key_file(self.keys))

    def deleted_folder(self):
        shutil.rmtree(self.secret.path)
        return "projects[0].keys", str(self.secret / "keys.yaml"), lambda: self.swap_keys(key_file(self.keys))

    def deleted_config(self):
        shutil.rmtree(self.config.path)
        return "", str(self.config / "server.yaml"), lambda: self.swap_config(self.good)

    def symlink_loop(self):
        data = self.secret / "..data"
        old = data.readlink()
        for link, target in ((data, "..data_too"), (self.secret / "..data_too", "..data")):
            (self.secret / "..data_tmp").symlink_to(target)
            (self.secret / "..data_tmp").rename(link)

        def straighten():
            (self.secret / "..data_tmp").symlink_to(old)
            (self.secret / "..data_tmp").rename(data)
            (self.secret / "..data_too").unlink()

        return "projects[0].keys", str(self.secret / "keys.yaml"), straighten


FAULTS = (Files.truncated, Files.unknown_field, Files.wrong_mode, Files.empty_keys, Files.short_secret,
          Files.half_swapped, Files.deleted_folder, Files.deleted_config, Files.symlink_loop)


@scenario("p5", f"{len(FAULTS)} configurations are refused and mended: the last good one serves, no request fails")
def bad_reload(folder):
    result = Result()
    with Cluster(folder) as cluster:
        server = cluster.add_server()
        files = Files(cluster, server)
        cluster.add_gateway()
        cluster.start()
        how = {"http": http_load(cluster), "grpc": grpc_load(cluster)}
        quiet = control(**how)
        cluster.secrets += [SHORT, WRONG]
        slowest = {"refused": 0, "mended": 0}
        with loads(**how) as running, Readiness(server) as readiness:
            for fault in FAULTS:
                try_fault(result, files, fault, slowest)
            reports = running.stop()
        result.none_failed(quiet, reports)
        for what, seconds in slowest.items():
            result.figure(f"slowest_{what}_s", seconds)
        result.check(f"ready all the time: {readiness.looks} looks, {readiness.others} were not 200",
                     readiness.looks > 50 and not readiness.others)
        for name, report in reports.items():
            result.check(f"{name}: the key that came late has signed", files.newest in report.keys)
    return result


def try_fault(result, files, fault, slowest):
    server, name = files.server, fault.__name__
    old = server.log.read_text()
    begin = time.monotonic()
    path, words, *mend = fault(files)
    await_that(lambda: successful(server) == 0, f"{name} refused", PATIENCE)
    took = time.monotonic() - begin
    slowest["refused"] = max(slowest["refused"], took)
    result.check(f"{name}: refused after {took:.2f} s; at most {LIMIT}", took <= LIMIT)

    def refusals():
        lines = server.log.read_text()[len(old):].splitlines(keepends=True)
        return [json.loads(line) for line in lines if "config_refused" in line and line.endswith("\n")]

    said = await_that(refusals, f"{name}: the refusal in the log", LIMIT)[-1]
    result.check(f"{name}: the log says {path or 'no path'} and `{words}`; {said['path']} and `{said['problem']}`",
                 said["path"] == path and words in said["problem"])
    verbose = server.admin("/readyz?verbose")[1]
    line = next((line for line in verbose.splitlines() if "configuration" in line), "")
    result.check(f"{name}: /readyz?verbose says so: `{line}`", said["problem"] in line and path in line)

    tokens = server.tokens()
    time.sleep(0.3)
    result.check(f"{name}: the last good one serves", server.tokens() > tokens)
    result.check(f"{name}: it stays refused", successful(server) == 0)

    begin = time.monotonic()
    (mend[0] if mend else files.mend)()
    await_that(lambda: successful(server) == 1, f"{name} mended", PATIENCE)
    took = time.monotonic() - begin
    slowest["mended"] = max(slowest["mended"], took)
    result.check(f"{name}: mended after {took:.2f} s; at most {LIMIT}", took <= LIMIT)
    line = next((line for line in server.admin("/readyz?verbose")[1].splitlines() if "configuration" in line), "")
    result.check(f"{name}: then /readyz?verbose says nothing of it: `{line}`", line and "refused" not in line)


def successful(server):
    """The gauge; None if it cannot be read."""
    page = server.admin("/metrics")[1]
    found = re.search(r"^config_last_reload_successful (\d+)$", page, re.MULTILINE)
    return found and int(found.group(1))


class Readiness:
    """What /readyz says all the time."""

    def __init__(self, server):
        self.server = server
        self.looks = 0
        self.others = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.look)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()

    def look(self):
        while not self.stopping.wait(0.05):
            status, _ = self.server.admin("/readyz")
            self.looks += 1
            if status != 200:
                self.others.append(status)
