"""Starts the command that follows, asks its probes and stops it with SIGTERM; called by pods.py within a namespace of
the network. Prints a JSON list of what was wrong. First argument: what to expect, as pods.py writes it."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import time


def status_of(port, path):
    """Of an answer; 0 if none comes."""
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0


def problems(plan, command):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        yield from check(plan, process)
    finally:
        process.kill()


def check(plan, process):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and status_of(*plan["probes"]["startup"]) != 200:
        if process.poll() is not None:
            yield f"ended with {process.returncode}: {process.stderr.read().decode()[-500:]}"
            return
        time.sleep(0.02)  # between two questions, as the kubelet does
    for name, probe in plan["probes"].items():
        if status_of(*probe) != 200:
            yield f"{name} probe {probe} is answered {status_of(*probe)}"
    for name, port in plan["ports"].items():
        try:
            socket.create_connection(("127.0.0.1", port), timeout=2).close()
        except OSError as error:
            yield f"port {name} {port}: {error}"
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        fields = dict(line.split(":", 1) for line in status)
    kilobytes = int(fields["VmRSS"].split()[0])
    if kilobytes > int(plan["memory"].removesuffix("Mi")) * 1024:
        yield f"takes {kilobytes} KiB, more than the {plan['memory']} that it requests"
    if fields["Uid"].split() != ["65532"] * 4 or int(fields["CapEff"], 16) != 0:
        yield f"runs as {fields['Uid'].split()} with capabilities {fields['CapEff'].strip()}"
    start = time.monotonic()
    process.send_signal(signal.SIGTERM)
    ready = plan["probes"]["readiness"]
    while time.monotonic() < start + 2 and status_of(*ready) == 200:
        time.sleep(0.02)
    if process.poll() is None and status_of(*ready) != 503:
        yield f"is still ready after SIGTERM: {status_of(*ready)}"
    try:
        process.communicate(timeout=plan["grace"])
    except subprocess.TimeoutExpired:
        yield f"has not stopped within {plan['grace']} s"
        return
    if process.returncode != 0:
        yield f"ended with {process.returncode}"


if __name__ == "__main__":
    print(json.dumps(list(problems(json.loads(sys.argv[1]), sys.argv[2:]))))
