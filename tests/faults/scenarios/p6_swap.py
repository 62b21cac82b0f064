"""P6: files that are swapped are taken into use, with inotify and without."""

import json
import subprocess
import time

from load import grpc_load, http_load
from processes import Cluster, Missing, await_that, need_tool, write
from scenario import Result, control, loads, scenario
from volume import ServerVolume, key_file

# A user namespace in which there may be no inotify instance.
NO_INOTIFY = ["unshare", "--user", "--map-root-user", "sh", "-c",
              'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"', "sh"]
PATIENCE = 5
POLL = 10  # seconds from one look at the files to the next
SWAPS = {"inotify": (2, 3), "poll": (POLL + 1, 2)}  # seconds that it may take at most, and how often


@scenario("p6", f"a `..data` swap is noticed within 2 s by inotify, within {POLL + 1} s without: no request fails")
def swap(folder):
    need_tool("unshare")
    if subprocess.run([*NO_INOTIFY, "true"], stderr=subprocess.DEVNULL, check=False).returncode:
        raise Missing("p6 needs user namespaces in which inotify can be limited")
    result = Result()
    with Cluster(folder) as cluster:
        servers = {"inotify": cluster.add_server(), "poll": cluster.add_server(prefix=NO_INOTIFY)}
        keys = {f"APIkey{number}": cluster.secret() for number in range(4)}
        volumes = {name: ServerVolume(cluster, server) for name, server in servers.items()}
        for volume in volumes.values():
            volume.use(keys, "APIkey0")
        write(cluster.keys, key_file(keys))
        cluster.add_gateway()
        cluster.start()
        result.check("the server without inotify has said so", "no_inotify" in servers["poll"].log.read_text())
        result.check("the other one has not", "no_inotify" not in servers["inotify"].log.read_text())
        how = {"http": http_load(cluster), "grpc": grpc_load(cluster)}
        quiet = control(**how)
        with loads(**how) as running:
            for name, (limit, times) in SWAPS.items():
                for number in range(1, times + 1):
                    key = f"APIkey{number}"
                    begin = time.monotonic()
                    volumes[name].use(keys, key)
                    await_that(lambda: state(servers[name], key) == "active", f"{key} signs", limit + PATIENCE)
                    took = time.monotonic() - begin
                    result.figure(f"{name}_{number}_s", took)
                    result.check(f"{name}: taken into use after {took:.2f} s; at most {limit}", took <= limit)
            time.sleep(0.5)
            result.none_failed(quiet, running.stop())
    return result


def state(server, key):
    """What the server says of one of its keys."""
    return next((entry["state"] for entry in json.loads(server.admin("/debug/keys")[1]) if entry["key"] == key), None)
