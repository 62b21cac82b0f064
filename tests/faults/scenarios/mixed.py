"""P10: programs of the previous commit (or the one that LIVEKIT_TOKEN_PREVIOUS names) beside those of this one."""

import os
import subprocess
import time

from load import grpc_load, http_load
from processes import BIN, ROOT, Cluster, Failed, Missing, await_that, need_tool
from scenario import Result, control, loads, scenario

PREVIOUS = ROOT / ".build/previous"
PROGRAMS = "livekit-token-server", "livekit-token-gateway"
SETTLED = 2  # seconds between two upgrades


def git(*words):
    return subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True, check=False)


def previous_commit():
    need_tool("git", "cmake", "ninja")
    if git("rev-parse", "--show-toplevel").stdout.strip() != str(ROOT):
        raise Missing("mixed versions need the history of this repository: run them in a git clone")
    wanted = os.environ.get("LIVEKIT_TOKEN_PREVIOUS", "HEAD~1")
    found = git("rev-parse", "--verify", "--quiet", "--end-of-options", wanted + "^{commit}")
    if found.returncode:
        raise Missing(f"mixed versions need the commit {wanted}, which this clone does not have: fetch more history, "
                      "or name another in LIVEKIT_TOKEN_PREVIOUS")
    return found.stdout.strip()


def build(commit, log):
    """Folder of that commit's programs."""

    def run(*words):
        with open(log, "ab") as output:
            if subprocess.run(words, cwd=PREVIOUS, env=env, stdout=output, stderr=output, check=False).returncode:
                raise Failed(f"`{' '.join(words)}` failed for {commit}: see {log}")

    env = {**os.environ, "CCACHE_BASEDIR": str(PREVIOUS), "CCACHE_NOHASHDIR": "1"}
    if (PREVIOUS / ".git").exists():
        run("git", "checkout", "--quiet", "--force", "--detach", commit)
    else:
        git("worktree", "prune")
        made = git("worktree", "add", "--detach", "--force", str(PREVIOUS), commit)
        if made.returncode:
            raise Failed(f"git worktree: {made.stderr.strip()}")
    run("cmake", "--preset", "release")
    run("cmake", "--build", "--preset", "release", "-j", str(os.cpu_count()), "--target", *PROGRAMS)
    return PREVIOUS / "build/bin"


def roll(cluster, folder):
    """Restarts one server after the other with the programs of a folder, each once all clients use the one before."""
    for server in cluster.servers:
        server.argv[0] = str(folder / PROGRAMS[0])
        server.restart()
        for caller in ("old", "new", "minter"):
            await_that(lambda: server.tokens(caller=caller) > 0, f"{server.name} in use by {caller}")


@scenario("p10", "gateway of the previous commit before servers of this one, the reverse, upgrade and downgrade")
def mixed(folder):
    result = Result()
    commit = previous_commit()
    old = build(commit, folder / "build.log")
    with Cluster(folder) as cluster:
        for _ in range(2):
            cluster.add_server(rooms=("old", "new"))
        for binary in (old / PROGRAMS[1], BIN / PROGRAMS[1]):
            cluster.add_gateway(binary=binary)
        cluster.start()
        how = {name: http_load(cluster, http=gateway.address, room=name, rate=150)
               for name, gateway in zip(("old", "new"), cluster.gateways)}
        how["grpc"] = grpc_load(cluster, rate=150)
        quiet = control(**how)
        with loads(**how) as running:
            for version in (old, BIN, old, BIN):
                time.sleep(SETTLED)
                roll(cluster, version)
            time.sleep(SETTLED)
            result.none_failed(quiet, running.stop())
        result.figure("previous", commit[:12])
    return result
