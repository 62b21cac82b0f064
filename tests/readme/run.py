#!/usr/bin/env python3
"""Runs the examples of README.md as they stand there.

Each fenced block of sh, js or yaml has a line `<!-- test: HOW -->` before it:
  file NAME       the block is written to NAME
  run             the block is run and must succeed
  expect TEXT     it is run, and its output must contain TEXT
  background      earlier background programs are stopped, and the block is started; it must come to listen
  background also the same without stopping the others
  node            run by Node.js among the packages of tests/conformance (only with --full)
  grpcurl         run with grpcurl (only with --full)
  not here, …     not run, for the reason given

Usage: run.py BIN_DIR          in a folder of its own, where `./dev run` starts the program in BIN_DIR
       run.py --full [BIN_DIR] with ./dev itself, Node.js and grpcurl; for .ci/run
"""

import fcntl
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATIENCE = 300  # seconds; with --full a start may build first
BLOCK = re.compile(r"(?:<!-- test: (?P<how>[^\n]*) -->\n)?```(?P<kind>\w*)\n(?P<text>.*?)```", re.S)


def enter_network_namespace():
    """The examples name fixed ports: have them to ourselves where the system permits it."""
    if os.environ.get("README_TEST_NAMESPACE") or subprocess.run(
        ["unshare", "-r", "-n", "true"], stderr=subprocess.DEVNULL
    ).returncode:
        return
    os.environ["README_TEST_NAMESPACE"] = "1"
    os.execvp("unshare", ["unshare", "-r", "-n", sys.executable, *sys.argv])


def bring_loopback_up():
    flags = struct.pack("16sh", b"lo", 0x1 | 0x40)  # IFF_UP, IFF_RUNNING
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, 0x8914, flags + bytes(14))  # SIOCSIFFLAGS


def look_for_leaks(log):
    """Ends with what the programs have logged and ought not to."""
    found = subprocess.run([ROOT / "tests/leaks/find.py", log], text=True, capture_output=True)
    if found.returncode:
        raise SystemExit("the programs have logged secrets:\n" + found.stdout)


class Background:
    """A started program; `address` maps each listener to its address."""

    def __init__(self, text, folder, env):
        path = tempfile.mkstemp()[1]
        self.log = open(path, encoding="utf-8")
        self.last = "grpc" if "livekit-token-server" in text else "http"
        # Not the same open file as above: reading from the start would make the program write there.
        with open(path, "ab") as log:
            self.process = subprocess.Popen(
                ["bash", "-c", text], cwd=folder, env=env, stdout=log, stderr=log, start_new_session=True
            )
        self.address = {}
        self.await_listeners()

    def output(self):
        self.log.seek(0)
        return self.log.read()

    def await_listeners(self):
        """Waits for the programs' last listener: grpc for a server, http for the others."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            ended = self.process.poll() is not None
            for line in self.output().splitlines():
                event = json.loads(line) if line.startswith('{"ts"') else {}
                if event.get("event") == "listening":
                    self.address[event["name"]] = event["address"]
            if self.last in self.address:
                return
            if ended:
                break
            time.sleep(0.01)
        self.kill()
        raise SystemExit("it does not listen:\n" + self.output())

    def probe(self):
        """The token endpoint must answer, be it that it wants a credential."""
        if "http" not in self.address:
            return
        request = urllib.request.Request("http://localhost:3000/getToken", data=b"{}", method="POST")
        request.add_header("Content-Type", "application/json")
        end = time.monotonic() + 30
        while True:
            try:
                with urllib.request.urlopen(request) as response:
                    status = response.status
            except urllib.error.HTTPError as error:
                status = error.code
            if status in (201, 401):
                return
            # The gateway may still be connecting to its server.
            if status != 503 or time.monotonic() > end:
                raise SystemExit(f"the endpoint answers {status}:\n" + self.output())
            time.sleep(0.1)

    def kill(self):
        """Leaves nothing behind when a test has failed."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)

    def stop(self):
        os.killpg(self.process.pid, signal.SIGINT)
        status = self.process.wait(60)
        if status not in (0, -signal.SIGINT, 128 + signal.SIGINT):
            raise SystemExit(f"stopped with {status}:\n" + self.output())
        look_for_leaks(self.log.name)


def run(text, folder, env, expected=""):
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd=folder, env=env, text=True, capture_output=True)
    if done.returncode or expected not in done.stdout:
        raise SystemExit(f"exit {done.returncode}, expected {expected!r} in:\n{done.stdout}\n{done.stderr}")


def prepare_folder(folder, bin_dir, full):
    (folder / "build").mkdir()
    (folder / "build/bin").symlink_to(bin_dir)
    (folder / "proto").symlink_to(ROOT / "proto")
    dev = folder / "dev"
    start = f"exec {ROOT}/dev run" if full else "exec build/bin/livekit-token-standalone --dev"
    dev.write_text(f'#!/bin/sh\n[ "$1" = run ] && shift && {start} "$@"\n')
    dev.chmod(0o755)


def stop_all(running):
    """The last one first: a gateway before its server."""
    while running:
        running[-1].stop()
        running.pop()


def main():
    full = "--full" in sys.argv
    rest = [arg for arg in sys.argv[1:] if arg != "--full"]
    bin_dir = pathlib.Path(rest[0] if rest else ROOT / "build/bin").resolve()
    enter_network_namespace()
    if os.environ.get("README_TEST_NAMESPACE"):
        bring_loopback_up()
    env = {k: v for k, v in os.environ.items() if not k.startswith("LIVEKIT_")}

    running = []
    try:
        run_examples(running, bin_dir, full, env)
    finally:
        for program in running:
            program.kill()


def run_examples(running, bin_dir, full, env):
    counts = {"run": 0, "left": 0}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        prepare_folder(folder, bin_dir, full)
        for block in BLOCK.finditer((ROOT / "README.md").read_text(encoding="utf-8")):
            how, kind, text = block["how"], block["kind"], block["text"]
            if kind not in ("sh", "js", "yaml"):
                continue
            if how is None:
                raise SystemExit(f"this block does not say how it is tested:\n{text}")
            verb, _, rest_of_how = how.partition(" ")
            if verb == "not" or (verb in ("node", "grpcurl") and not full):
                counts["left"] += 1
                continue
            print(f"== {how}: {text.splitlines()[0]}", flush=True)
            counts["run"] += 1
            if verb == "file":
                (folder / rest_of_how).write_text(text, encoding="utf-8")
            elif verb == "background":
                if rest_of_how != "also":
                    stop_all(running)
                running.append(Background(text, folder, env))
                running[-1].probe()
            elif verb == "run":
                run(text, folder, env)
            elif verb == "expect":
                run(text, folder, env, rest_of_how)
            elif verb == "grpcurl":
                run(text, folder, env, '"token"')
            elif verb == "node":
                script = ROOT / "tests/conformance/.readme-example.mjs"
                script.write_text(text, encoding="utf-8")
                try:
                    run(f"node {script}", folder, env, "eyJ")
                finally:
                    script.unlink()
            else:
                raise SystemExit(f"unknown way to test: {how}")
        stop_all(running)
    print(f"README: {counts['run']} blocks run, {counts['left']} left to --full or not meant to run")


if __name__ == "__main__":
    main()
