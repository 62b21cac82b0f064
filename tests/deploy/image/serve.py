"""Runs the image's programs in namespaces of their own and asks them for tokens. Usage: serve.py ROOT"""
import base64
import hashlib
import hmac
import http.client
import json
import secrets
import signal
import subprocess
import sys
import tempfile
import time

from pod import CONFIG, Pod

KEY, SECRET = "APIimage", secrets.token_hex(32)
PARTNER, GATEWAY = secrets.token_hex(24), secrets.token_hex(24)
SERVER_CONFIG = f"""
projects: [{{ name: main, client_url: "wss://livekit.example", keys: {{ file: {CONFIG}/keys.yaml }} }}]
authenticators:
  - {{ name: partners, api_keys: {{ file: {CONFIG}/partners.yaml }} }}
  - {{ name: programs, api_keys: {{ file: {CONFIG}/programs.yaml, header: authorization }} }}
policies: [{{ name: partner, match: {{ authenticator: partners }}, room: {{ client: allow }} }}]
services: [{{ name: gateway, match: {{ authenticator: programs, subject: gateway }}, relay: true }}]
drain: {{ delay: 100ms }}
"""
STANDALONE = SERVER_CONFIG + "gateway: { relay_headers: [x-api-key] }\n"
GATEWAY_CONFIG = f"""
listen: {{ admin: "[::]:9465" }}
server: {{ address: "localhost:50051", caller_token_file: {CONFIG}/gateway.key }}
relay_headers: [x-api-key]
drain: {{ delay: 100ms }}
"""


def check(holds, message):
    if not holds:
        sys.exit(f"image: {message}")


def healthy(pod, program, *flags):
    return pod.call(program, "--healthcheck", *flags).returncode == 0


def await_healthy(pod, process, program, *flags):
    end = time.monotonic() + 60
    while not healthy(pod, program, *flags):
        check(process.poll() is None, f"{program} has ended with {process.returncode}")
        check(time.monotonic() < end, f"{program} does not become healthy")
        time.sleep(0.05)  # only polls another process


def check_token(headers, status):
    connection = http.client.HTTPConnection("127.0.0.1", 3000, timeout=30)
    body = json.dumps({"room_name": "lobby"})
    connection.request("POST", "/getToken", body, {"Content-Type": "application/json", **headers})
    answer = connection.getresponse()
    text = answer.read()
    check(answer.status == status, f"status {answer.status} in place of {status}")
    if status != 201:
        return
    head, payload, mac = json.loads(text)["participant_token"].split(".")
    expected = hmac.new(SECRET.encode(), f"{head}.{payload}".encode(), hashlib.sha256).digest()
    check(base64.urlsafe_b64decode(mac + "=") == expected, "the token is not signed with our key")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    check(claims["iss"] == KEY and claims["video"]["room"] == "lobby", f"claims {claims}")


def check_restricted(pod, process):
    status = pod.status(process)
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        check(int(status[name], 16) == 0, f"{name} {status[name]}")
    check(status["Uid"].split() == ["65532"] * 4 and status["Gid"].split() == ["65532"] * 4, f"user {status['Uid']}")
    check(status["NoNewPrivs"].strip() == "1", "may gain privileges")


def stop(process):
    process.send_signal(signal.SIGTERM)
    check(process.wait(60) == 0, f"{process.args[0]} ends with {process.returncode} after SIGTERM")


def prepare(pod):
    """Writes configuration and secrets; the image's own program makes the files of API keys."""
    def line(name, secret):
        done = pod.call("livekit-token-server", f"--hash_api_key={name}", given=secret)
        check(done.returncode == 0, f"--hash_api_key: {done.stderr}")
        return "keys:\n" + done.stdout

    pod.write("keys.yaml", f"{KEY}: {SECRET}\n")
    pod.write("partners.yaml", line("acme", PARTNER))
    pod.write("programs.yaml", line("gateway", GATEWAY))
    pod.write("gateway.key", f"gateway.{GATEWAY}")
    pod.write("server.yaml", SERVER_CONFIG)
    pod.write("standalone.yaml", STANDALONE)
    pod.write("gateway.yaml", GATEWAY_CONFIG)
    pod.write("wrong.yaml", "no_such_key: 1\n")


def check_configurations(pod):
    for program in ("server", "gateway", "standalone"):
        name = f"livekit-token-{program}"
        for file, wanted in ((f"{program}.yaml", 0), ("wrong.yaml", 1)):
            done = pod.call(name, f"--config={CONFIG}/{file}", "--check_config")
            check(done.returncode == wanted, f"{name} --check_config of {file}: {done.returncode} {done.stderr}")


def check_standalone(pod):
    name = "livekit-token-standalone"
    check(not healthy(pod, name), "is healthy although nothing runs")
    process = pod.start(name, f"--config={CONFIG}/standalone.yaml")
    await_healthy(pod, process, name)
    check_restricted(pod, process)
    check_token({"X-API-Key": f"acme.{PARTNER}"}, 201)
    check_token({}, 401)
    stop(process)


def check_pair(pod):
    server = pod.start("livekit-token-server", f"--config={CONFIG}/server.yaml")
    await_healthy(pod, server, "livekit-token-server")
    flag = f"--config={CONFIG}/gateway.yaml"
    gateway = pod.start("livekit-token-gateway", flag)
    await_healthy(pod, gateway, "livekit-token-gateway", flag)
    check_restricted(pod, server)
    check_restricted(pod, gateway)
    check_token({"X-API-Key": f"acme.{PARTNER}"}, 201)
    check_token({"X-API-Key": f"acme.{GATEWAY}"}, 401)
    stop(gateway)
    check(not healthy(pod, "livekit-token-gateway", flag), "is healthy although it has ended")
    stop(server)


def main(root):
    with tempfile.TemporaryFile() as log:
        pod = Pod(root, log)
        check(subprocess.run(["touch", root + "/tmp/file"], capture_output=True, check=False).returncode != 0,
              "the root can be written to")
        prepare(pod)
        check_configurations(pod)
        try:
            check_standalone(pod)
            check_pair(pod)
        except BaseException:
            log.seek(0)
            sys.stderr.write(log.read().decode())
            raise
    print("image: standalone, and server with gateway: configured, healthy, tokens issued, stopped; read-only as 65532")


if __name__ == "__main__":
    main(*sys.argv[1:])
