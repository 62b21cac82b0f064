#!/usr/bin/env python3
"""What other callers notice when a service that authenticators ask has failed: `./dev bench contained [--quick]`.

Good callers send small anonymous requests at a fixed rate. Beside them a flood of 1,000 requests a second presents
credentials about which somebody has to be asked who is down, hangs, answers 10 MB or nonsense. In the control the same
flood presents wrong API keys, which cost nobody a question: two cores serve all of it and the load itself, so that only
the comparison says something. Rounds alternate; printed are medians of the good callers' 99th percentiles.
"""

import argparse
import asyncio
import base64
import json
import os
import pathlib
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import answers
import load
import peers
import process

FLOOD = 1000  # requests a second
GOOD = 300  # requests a second of the good callers
MOST_CONNECTIONS = 1500  # of the flood; those that wait for an answer cannot send
# Where the flood's credentials lead: header line, and what the service that is asked does.
FAULTS = {
    "wrong API keys (control)": lambda: "X-API-Key: nobody." + secrets.token_hex(16),
    "unknown keys, provider down": lambda: "Authorization: Bearer " + token("down"),
    "unknown keys, provider hangs": lambda: "Authorization: Bearer " + token("hang"),
    "unknown keys, provider sends 10 MB": lambda: "Authorization: Bearer " + token("huge"),
    "unknown keys, provider well": lambda: "Authorization: Bearer " + token("well"),
    "sessions, application down": lambda: "Cookie: down=" + secrets.token_hex(16),
    "sessions, application hangs": lambda: "Cookie: hang=" + secrets.token_hex(16),
    "sessions, application sends nonsense": lambda: "Cookie: nonsense=" + secrets.token_hex(16),
    "opaque tokens, server down": lambda: "X-Down-Token: " + secrets.token_hex(16),
    "opaque tokens, server hangs": lambda: "X-Hang-Token: " + secrets.token_hex(16),
    "opaque tokens, server sends nonsense": lambda: "X-Nonsense-Token: " + secrets.token_hex(16),
    "nothing (there is no flood)": None,
}
CONTROL = next(iter(FAULTS))
MODULUS = base64.urlsafe_b64encode(b"\xc1" + bytes(range(1, 256))).rstrip(b"=").decode()
KEY_SET = json.dumps({"keys": [{"kty": "RSA", "kid": "real", "e": "AQAB", "n": MODULUS}]}).encode()


def token(issuer):
    """A token of a key id that nobody has."""
    parts = {"alg": "RS256", "kid": secrets.token_hex(8)}, {"iss": f"https://{issuer}.example", "sub": "u"}
    encode = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    return ".".join([*(encode(json.dumps(part).encode()) for part in parts), encode(secrets.token_bytes(256))])


def config(port):
    """Every kind of caller at once; `port` is that of the services, whose paths say what they do."""
    jwt = lambda name, uri: (
        f'  - {{ name: {name}, jwt: {{ issuer: "https://{name}.example", audiences: [bench], allow_http: true, '
        f'jwks_uri: "{uri}" }} }}\n'
    )
    session = lambda name, url: (
        f'  - {{ name: session-{name}, forward_auth: {{ url: "{url}", allow_http: true, forward_cookies: [{name}], '
        "subject: { json: id } } }\n"
    )
    opaque = lambda name, url: (
        f'  - {{ name: opaque-{name}, oauth2_introspection: {{ url: "{url}", allow_http: true, header: x-{name}-token, '
        "client_id: c, client_secret_file: client.secret, audiences: [bench] } }\n"
    )
    well, nobody = f"http://127.0.0.1:{port}", "http://127.0.0.1:9"
    return (
        "projects: [{ name: main, client_url: wss://a.example, keys: { env: true } }]\nauthenticators:\n"
        "  - { name: guests, anonymous: {} }\n"
        "  - { name: partners, api_keys: { file: partners.yaml } }\n"
        + opaque("down", nobody + "/i") + opaque("hang", well + "/hang") + opaque("nonsense", well + "/nonsense")
        + jwt("down", nobody + "/keys") + jwt("hang", well + "/hang") + jwt("huge", well + "/huge")
        + jwt("well", well + "/keys")
        + session("down", nobody + "/s") + session("hang", well + "/hang") + session("nonsense", well + "/nonsense")
        + "policies:\n  - { name: guest, match: { authenticator: guests }, room: { client: allow }, "
        "identity: { client: allow }, display_name: { client: allow } }\n"
        "rate_limits: { per_principal: 1000000/s, per_address: 1000000/s, auth_failures_per_address: 1000000/s }\n"
        "gateway:\n  relay_headers: [authorization, x-api-key, x-down-token, x-hang-token, x-nonsense-token]\n"
        "  relay_cookies: [down, hang, nonsense]\n"
    )


# --- the services, in a process of their own


ANSWERS = {b"/keys": KEY_SET, b"/huge": b"{" + b" " * (10 << 20), b"/nonsense": b"<html>"}


def serve(connection):
    """Threads and plain sockets: whatever this costs is taken from the same cores."""
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while head := connection.recv(65536):
                path = head.split(b" ", 2)[1]
                if path == b"/hang":
                    while connection.recv(65536):
                        pass  # until the client gives up
                    return
                body = ANSWERS[path]
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        except ConnectionError:
            pass


def services(port):
    with socket.create_server(("127.0.0.1", port), backlog=1024) as listener:
        while True:
            threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()


# --- the flood, in a process of its own


class Flood:
    def __init__(self, port, make_line):
        self.port = port
        self.make_line = make_line
        self.free = []
        self.connections = 0
        self.sent = 0
        self.tokens = 0  # answers of status 201: there must be none

    async def ask(self):
        if self.free:
            reader, writer = self.free.pop()
        elif self.connections < MOST_CONNECTIONS:
            self.connections += 1
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        else:
            return
        try:
            self.sent += 1
            writer.write(
                b"POST /getToken HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
                + self.make_line().encode() + b"\r\n\r\n{}"
            )
            head = await reader.readuntil(b"\r\n\r\n")
            self.tokens += head.startswith(b"HTTP/1.1 201")
            length = int(head.lower().partition(b"content-length: ")[2].split()[0])
            await reader.readexactly(length)
            if b"\r\nconnection: close" in head.lower():
                raise ConnectionError
            self.free.append((reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            self.connections -= 1
            writer.close()

    async def run(self, seconds):
        begin = time.monotonic()
        tasks = set()
        asked = 0
        while (now := time.monotonic() - begin) < seconds:
            while asked < now * FLOOD:
                asked += 1
                task = asyncio.ensure_future(self.ask())
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            await asyncio.sleep(0.005)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        print(json.dumps({"per_second": self.sent / seconds, "tokens": self.tokens}))


# --- the measurement


class Standalone:
    def __init__(self, folder):
        self.port = process.free_port()
        service_port = process.free_port()
        (folder / "partners.yaml").write_text("keys: []\n")
        secret = folder / "client.secret"
        secret.write_text("0123456789abcdef")
        secret.chmod(0o600)
        (folder / "token.yaml").write_text(config(service_port))
        self.services = process.Program(
            ["nice", "-n19", sys.executable, __file__, "--services", service_port], folder, "services"
        )
        env = {"LIVEKIT_API_KEY": "APIbench", "LIVEKIT_API_SECRET": secrets.token_hex(32)}
        self.program = process.Program(
            [peers.ROOT / "build/bin/livekit-token-standalone", "--config=token.yaml",
             f"--http_listen=127.0.0.1:{self.port}", "--grpc_listen=127.0.0.1:0", "--admin_listen=127.0.0.1:0"],
            folder, "standalone", env,
        )
        for _ in range(500):
            if '"http"' in self.program.log.read_text():
                return
            time.sleep(0.02)
        raise SystemExit("the server does not listen: " + self.program.last_words())

    def path(self, _kind):
        return "/getToken"

    def stop(self):
        self.program.stop()
        self.services.stop()


def measure(server, fault, seconds):
    """The good callers' 99th percentile in microseconds, and what the flood did."""
    if FAULTS[fault] is None:
        return load.generate(server, "small", seconds, rate=GOOD, connections=8).p99, 0
    flood = subprocess.Popen(
        ["nice", "-n19", sys.executable, __file__, "--flood", fault, str(server.port), str(seconds + 1)],
        stdout=subprocess.PIPE, text=True,
    )
    time.sleep(0.8)  # until the flood is under way
    sample = load.generate(server, "small", seconds, rate=GOOD, connections=8)
    report = json.loads(flood.communicate()[0])
    if sample.errors:
        raise SystemExit(f"{fault}: good callers got errors: {sample.errors}")
    if report["tokens"]:
        raise SystemExit(f"{fault}: the flood got {report['tokens']} tokens")
    return sample.p99, report["per_second"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short round, to see that it runs")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=4, help="of each measurement")
    parser.add_argument("--services", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--flood", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.services:
        return services(args.services)
    if args.flood:
        fault, port, seconds = args.flood
        return asyncio.run(Flood(int(port), FAULTS[fault]).run(int(seconds)))

    rounds, seconds = (1, 1) if args.quick else (args.rounds, args.seconds)
    peers.WORK.mkdir(parents=True, exist_ok=True)
    times = {fault: [] for fault in FAULTS}
    rates = {fault: [] for fault in FAULTS}
    with tempfile.TemporaryDirectory() as name:
        server = Standalone(pathlib.Path(name))
        try:
            for number in range(rounds):
                order = list(FAULTS) if number % 2 == 0 else list(reversed(FAULTS))
                for fault in order:
                    p99, rate = measure(server, fault, seconds)
                    times[fault].append(p99)
                    rates[fault].append(rate)
        finally:
            server.stop()
    quiet = statistics.median(times[CONTROL])
    print(f"{GOOD} good requests/s beside a flood of {FLOOD}/s; medians of {rounds} rounds of {seconds} s, "
          f"{os.cpu_count()} cores")
    print(f"{'the flood presents':40} {'flood/s':>8} {'good p99':>10} {'ratio':>6}")
    for fault, values in times.items():
        p99 = statistics.median(values)
        judged = fault != CONTROL and FAULTS[fault] is not None
        verdict = f"at most 1.5: {'yes' if p99 <= 1.5 * quiet else 'no'}" if judged else ""
        print(f"{fault:40} {statistics.median(rates[fault]):8.0f} {p99:7.0f} us {p99 / quiet:6.2f}  {verdict}")


if __name__ == "__main__":
    main()
