"""T11: signing keys that are replaced all the time."""

import time

from load import grpc_load, http_load
from processes import Cluster, write
from scenario import Result, control, loads, scenario
from volume import ServerVolume, key_file

SECONDS = 60
PERIOD = 2  # seconds from one swap to the next
SKEW = 0.3  # seconds by which the second server's files come later
LATEST = 2  # seconds after which a new key signs everywhere
KEPT = 2  # keys that stay in the file after they have signed


class Rotation:
    """Keys and configuration of all servers, each of which has a volume of its own."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.published = {}  # what LiveKit and applications know; none is taken away as long as there are tokens
        self.keys = {}
        self.signing = self.newest = None
        self.flips = []  # key id, and when the first and the last server had it in their files
        self.volumes = [ServerVolume(cluster, server) for server in cluster.servers]
        self.add()
        self.flip()

    def add(self):
        """A new key that does not sign yet; and away with the oldest."""
        self.newest = f"APIkey{len(self.published)}"
        self.keys[self.newest] = self.published[self.newest] = self.cluster.secret()
        while len(self.keys) > KEPT + 2:
            del self.keys[next(iter(self.keys))]
        write(self.cluster.keys, key_file(self.published))
        if self.signing:
            self.swap()

    def flip(self):
        """The newest key signs."""
        self.signing = self.newest
        self.flips.append((self.signing, *self.swap()))

    def swap(self):
        """When the first and the last server had it."""
        moments = []
        for volume in self.volumes:
            if moments:
                time.sleep(SKEW)
            volume.use(self.keys, self.signing)
            moments.append(time.monotonic())
        return moments[0], moments[-1]


@scenario("t11", f"a new key or another signing key every {PERIOD} s: no request fails, every token verifies")
def keys(folder):
    result = Result()
    with Cluster(folder) as cluster:
        for _ in range(2):
            cluster.add_server()
        rotation = Rotation(cluster)
        cluster.add_gateway()
        cluster.start()
        how = {"http": http_load(cluster), "grpc": grpc_load(cluster)}
        quiet = control(**how)
        with loads(**how) as running:
            begin = time.monotonic()
            step = 0
            while time.monotonic() < begin + SECONDS:
                (rotation.flip if step % 2 else rotation.add)()
                step += 1
                time.sleep(max(0, begin + step * PERIOD - time.monotonic()))
            reports = running.stop()
        result.none_failed(quiet, reports)
        result.figure("swaps", step)
        check_use(result, rotation.flips, reports)
        for server in cluster.servers:
            result.check(f"{server.name} has refused no generation", "config_refused" not in server.log.read_text())
    return result


def check_use(result, flips, reports):
    """Each key is used soon after its swap, and then the one before by nobody."""
    first, last = [], []
    for name, report in reports.items():
        for (before, _, _), (key, earliest, latest) in zip(flips, flips[1:]):
            used = report.keys.get(key)
            if used is None:
                result.check(f"{name}: {key} has signed", False)
                continue
            first.append(report.at(used["first_s"]) - earliest)
            last.append(report.at(report.keys[before]["last_s"]) - latest)
    result.figure("keys", len(flips))
    result.figure("first_use_s", round(max(first), 2))
    result.figure("last_use_of_old_s", round(max(last), 2))
    result.check(f"a key is first used {min(first):.2f} to {max(first):.2f} s after its swap; at most {LATEST}, and "
                 "never before", 0 < min(first) and max(first) <= LATEST)
    result.check(f"nobody uses the one before {max(last):.2f} s after the last swap; at most {LATEST}",
                 max(last) <= LATEST)
