"""Starts a server and a gateway that knows it by its name in DNS only, and asks the gateway for a token; called by
pods.py within a namespace of the network. Prints a JSON list of what was wrong. First argument: what to start and
expect."""

import http.client
import json
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "faults"))

from dns_stub import DnsStub
from serve import status_of


def problems(plan):
    with DnsStub("127.0.0.1") as stub:
        stub.zone[plan["name"]] = ["127.0.0.1"]
        processes = {}
        try:
            for name in ("server", "gateway"):
                processes[name] = subprocess.Popen(plan[name], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                deadline = time.monotonic() + 20
                while time.monotonic() < deadline and status_of(plan["ready"][name], "/readyz") != 200:
                    if processes[name].poll() is not None:
                        break
                    time.sleep(0.02)  # between two questions, as the kubelet does
                if status_of(plan["ready"][name], "/readyz") != 200:
                    processes[name].kill()
                    yield f"{name} is not ready: {processes[name].stderr.read().decode()[-6000:]}"
                    return
            yield from answer_problems(plan)
            others = set(stub.asked) - {plan["name"], "login.example.com"}
            if others:
                yield f"asked DNS for {sorted(others)}"
        finally:
            for process in processes.values():
                process.kill()


def answer_problems(plan):
    connection = http.client.HTTPConnection("127.0.0.1", plan["http"], timeout=10)
    connection.request("POST", "/getToken", '{"room_name": "lobby-7"}', {"Content-Type": "application/json"})
    answer = connection.getresponse()
    body = answer.read().decode()
    status, text = plan["expected"]
    if answer.status != status or text not in body:
        yield f"answers {answer.status} {body[:300]}"


print(json.dumps(list(problems(json.loads(sys.argv[1])))))
