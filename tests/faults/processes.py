"""Servers and gateways that are started, stopped, killed and halted, each with its configuration.

Every program has a port of its own for as long as its cluster lives, so that it comes back where it was.
"""

import hashlib
import http.client
import os
import pathlib
import random
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("LIVEKIT_TOKEN_BIN", ROOT / "build/bin"))
PATIENCE = 30  # seconds for what ought to take far less than one
MAY_ASK = "MintAccessToken", "BatchIssueParticipantTokens", "IssueParticipantToken"

SERVER_YAML = """
listen: {{ grpc: "{host}:{port}", admin: "{admin_host}:{admin_port}"{listen} }}
projects: [{{ name: main, client_url: "wss://livekit.example", keys: {{ file: "{keys}"{keys_more} }} }}]
authenticators:
  - {{ name: anyone, anonymous: {{}} }}
  - {{ name: programs, api_keys: {{ file: "{programs}", header: authorization }} }}
policies:
  - {{ name: program, match: {{ authenticator: programs }}, room: {{ client: allow }}, identity: {{ client: allow }} }}
{policies}services:
  - {{ name: gateway, match: {{ authenticator: programs, subject: gateway }}, relay: true }}
  - name: minter
    match: {{ authenticator: programs, subject: minter }}
    mint:
      rooms: ["*"]
      identities: ["*"]
      video: {{ room_join: true, can_publish: true, can_subscribe: true, can_publish_data: true }}
drain: {{ delay: {drain}, timeout: 5s }}
"""
# What no load reaches, so that limits are counted and refuse nothing.
RATES = """rate_limits:
  per_principal: 1000000/s
  per_address: 1000000/s
  per_service: 1000000/s
  auth_failures_per_address: 1000000/s
  agents_per_principal: 1000000/s
  agents_per_service: 1000000/s
  max_in_flight: 1000000
"""
# A policy for each room, so that the metrics tell loads apart by it.
POLICY_YAML = """  - name: {room}
    match: {{ authenticator: anyone, room: ["{room}"] }}
    room: {{ client: allow }}
    identity: {{ client: allow }}
"""
GATEWAY_YAML = """
listen: {{ http: "{host}:{port}", admin: "{admin_host}:{admin_port}"{listen} }}
server: {{ address: "{target}", caller_token_file: "{token}"{server} }}
drain: {{ delay: {drain}, timeout: 5s }}
"""


class Missing(Exception):
    """Something that the machine or the build lacks; its text is a sentence."""


class Failed(Exception):
    """A program did not do what it had to; its text is a sentence."""


def need_namespaces(what):
    """Fails unless mount and network namespaces can be made."""
    need_tool("unshare")
    for option in ("-m", "-n"):
        if subprocess.run(["unshare", option, "true"], stderr=subprocess.DEVNULL, check=False).returncode:
            raise Missing(f"{what} needs namespaces: run as root with CAP_SYS_ADMIN and CAP_NET_ADMIN")


def need_tool(*names):
    for name in names:
        if shutil.which(name) is None:
            raise Missing(f"there is no {name}: ./dev packages faults")


def need_programs():
    for name in ("fault_load", "livekit-token-server", "livekit-token-gateway"):
        if not (BIN / name).exists():
            raise Missing(f"there is no {name} in {BIN}: ./dev faults builds it")


def await_that(condition, what, patience=PATIENCE, interval=0.02):
    """Waits until `condition` returns something true, and returns that."""
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"{what} within {patience} s: no")
        time.sleep(interval)


def check_logs(paths, secrets_used):
    """No secret and no token may stand in a log."""
    for path in sorted(paths):
        text = path.read_bytes()
        for secret in secrets_used:
            if secret.encode() in text:
                raise Failed(f"{path} contains a secret")
        # How every JSON Web Token begins; ids of tokens are random text without a dot, which may begin so too.
        if re.search(rb"eyJ[\w-]{8,}\.", text):
            raise Failed(f"{path} contains a token")


_used_ports = set()


def free_port(host="127.0.0.1"):
    """A port outside the range from which the kernel takes ports of clients, so that nobody takes it while its program
    is down."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        first = int(file.read().split()[0])
    while True:
        port = random.randrange(first - 12000, first)
        if port in _used_ports:
            continue
        with socket.socket() as sock:
            try:
                sock.bind((host, port))
            except OSError:
                continue
        _used_ports.add(port)
        return port


def write(path, text):
    """Writes a file that holds, or may hold, secrets; whoever reads it sees the old text or the new one."""
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    new.chmod(0o600)
    new.rename(path)
    return path


class Program:
    """A program with a fixed admin port. `prefix` is what it is started through, such as `ip netns exec NAME`."""

    def __init__(self, name, argv, folder, host="127.0.0.1", prefix=(), env=None, admin_host="127.0.0.1"):
        self.name = name
        self.argv = [str(word) for word in argv]
        self.folder = folder
        self.host = host
        self.admin_host = admin_host
        self.prefix = [str(word) for word in prefix]
        self.env = env or {}
        self.log = folder / f"{name}.log"
        self.port = free_port()
        self.admin_port = free_port()
        self.process = None

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    @property
    def pid(self):
        return self.process.pid

    def start(self, ready=True):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, *self.argv], cwd=self.folder, env={**os.environ, **self.env}, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )
        if ready:
            self.await_ready()

    def running(self):
        return self.process is not None and self.process.poll() is None

    def send(self, what):
        self.process.send_signal(what)

    def halt(self):
        self.send(signal.SIGSTOP)

    def resume(self):
        self.send(signal.SIGCONT)

    def kill(self):
        """kill -9, and waits until it is gone."""
        self.send(signal.SIGKILL)
        self.process.wait(PATIENCE)

    def terminate(self, patience=PATIENCE):
        """An orderly stop by SIGTERM, which must end with status 0."""
        self.send(signal.SIGTERM)
        self.await_end(patience)

    def await_end(self, patience=PATIENCE):
        try:
            status = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} does not stop within {patience} s") from None
        if status != 0:
            raise Failed(f"{self.name} stopped with status {status}: {self.last_words()}")

    def restart(self):
        self.terminate()
        self.start()

    def last_words(self):
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "no output"

    def admin(self, path):
        """Status and body of a GET on the admin listener; 0 and nothing if it cannot be reached."""
        connection = http.client.HTTPConnection(self.admin_host, self.admin_port, timeout=2)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()

    def await_ready(self):
        def ready():
            if not self.running():
                raise Failed(f"{self.name} ended with status {self.process.returncode}: {self.last_words()}")
            return self.admin("/readyz")[0] == 200

        await_that(ready, f"{self.name} ready")

    def metric(self, name, **labels):
        """Sum of a metric over all its series that have these labels."""
        total = 0.0
        for line in self.admin("/metrics")[1].splitlines():
            found = re.fullmatch(r"([a-zA-Z_:]+)(?:\{(.*)\})? (\S+)", line)
            if not found or found.group(1) != name:
                continue
            series = dict(re.findall(r'(\w+)="([^"]*)"', found.group(2) or ""))
            if all(series.get(label) == value for label, value in labels.items()):
                total += float(found.group(3))
        return total

    def tokens(self, **labels):
        """How many tokens it has signed since it started."""
        return self.metric("livekit_token_issued_total", **labels)

    def calls(self, method):
        """How many calls of a method it has answered since it started."""
        return self.metric("grpc_server_call_duration_seconds_count", grpc_method=method)

    def await_calls(self, methods=MAY_ASK[:2], patience=PATIENCE):
        """Until each of these methods has been called since the start, that is, clients have found it."""
        for method in methods:
            await_that(lambda: self.calls(method) > 0, f"{method} called on {self.name}", patience)

    def stop(self):
        """Ends it somehow."""
        if not self.running():
            return
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()


class Cluster:
    """Servers and gateways of one scenario, and the secrets that they know. Use it with `with`: all is ended at the end,
    and no secret may then stand in a log."""

    def __init__(self, folder, drain="600ms"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.drain = drain
        self.secrets = []
        self.programs = []
        self.servers = []
        self.gateways = []
        self.keys = self.folder / "keys.yaml"
        self.write_keys({"APIfaults": self.secret()})
        lines = []
        for caller in ("gateway", "minter", "abuser"):
            secret = self.secret()
            lines.append(f"  - {{ id: {caller}, sha256: {hashlib.sha256(secret.encode()).hexdigest()} }}\n")
            write(self.folder / f"{caller}.key", f"{caller}.{secret}\n")
        write(self.folder / "programs.yaml", "keys:\n" + "".join(lines))
        self.minter_key = self.folder / "minter.key"

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.stop()
        if kind is None:
            self.check_logs()

    def secret(self):
        """A new one, which no log may ever contain."""
        self.secrets.append(secrets.token_hex(24))
        return self.secrets[-1]

    def write_keys(self, keys):
        write(self.keys, "".join(f"{key}: {secret}\n" for key, secret in keys.items()))

    def add_server(self, host="127.0.0.1", listen="", keys=None, keys_more="", rooms=("faults",), prefix=(), port=None,
                   more="", binary="livekit-token-server", argv=(), admin_host="127.0.0.1", drain=None, rates=RATES):
        """Adds a server, not yet started. `listen` and `keys_more` are further members of those mappings, such as
        `, max_connection_age: 1s`; `more` further lines of the file, `rates` its limits."""
        name = f"server{len(self.servers)}"
        program = Program(name, [BIN / binary, f"--config={name}.yaml", *argv], self.folder, host, prefix,
                          admin_host=admin_host)
        program.port = port or program.port
        write(self.folder / f"{name}.yaml", SERVER_YAML.format(
            host=host, port=program.port, admin_host=admin_host, admin_port=program.admin_port, listen=listen,
            keys=keys or self.keys, keys_more=keys_more, programs=self.folder / "programs.yaml",
            policies="".join(POLICY_YAML.format(room=room) for room in rooms), drain=drain or self.drain) + rates + more)
        self.servers.append(program)
        self.programs.append(program)
        return program

    def add_gateway(self, target=None, host="127.0.0.1", listen="", server="", prefix=(), more="",
                    binary="livekit-token-gateway", argv=(), admin_host="127.0.0.1", drain=None):
        """Adds a gateway, not yet started, of all servers that there are so far unless `target` is given."""
        name = f"gateway{len(self.gateways)}"
        program = Program(name, [BIN / binary, f"--config={name}.yaml", *argv], self.folder, host, prefix,
                          admin_host=admin_host)
        write(self.folder / f"{name}.yaml", GATEWAY_YAML.format(
            host=host, port=program.port, admin_host=admin_host, admin_port=program.admin_port, listen=listen,
            target=target or self.target, token=self.folder / "gateway.key", server=server,
            drain=drain or self.drain) + more)
        self.gateways.append(program)
        self.programs.append(program)
        return program

    @property
    def target(self):
        """gRPC target of all servers."""
        return "ipv4:" + ",".join(server.address for server in self.servers)

    @property
    def http(self):
        """Addresses of all gateways, as fault_load takes them."""
        return ",".join(gateway.address for gateway in self.gateways)

    def start(self):
        for program in self.programs:
            if not program.running():
                program.start(ready=False)
        for program in self.programs:
            program.await_ready()
        return self

    def stop(self):
        for program in self.programs:
            if program.running():
                program.send(signal.SIGCONT)
                program.send(signal.SIGTERM)
        for program in self.programs:
            program.stop()

    def check_logs(self):
        check_logs(self.folder.glob("*.log"), self.secrets)
