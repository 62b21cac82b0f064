"""The servers that are measured: ours and the peers."""

import hashlib
import shutil
import time

import answers
import callers
import peers
from process import Program, free_port

SETTINGS = {
    "LIVEKIT_API_KEY": answers.KEY,
    "LIVEKIT_API_SECRET": answers.SECRET,
    "LIVEKIT_URL": answers.URL,
}
BIN = peers.ROOT / "build/bin"
GATEWAY_SECRET = "benchGatewaySecret0123456789abcdefghijklmnop"

# Anonymous callers and users may choose what the requests of the benchmark choose. Limits are counted and refuse
# nothing.
SERVER_YAML = """
listen: {{ grpc: "{grpc}", admin: "127.0.0.1:0" }}
projects: [{{ name: bench, client_url: "{url}", keys: {{ env: true }} }}]
authenticators:
  - {{ name: anyone, anonymous: {{}} }}
  - {{ name: programs, api_keys: {{ file: programs.yaml, header: authorization }} }}
  - {users}
policies:
  - name: bench
    match: {{ authenticator: anyone }}
    room: {{ client: allow }}
    identity: {{ client: allow }}
    metadata: {{ client: allow }}
    attributes: {{ client: allow }}
    room_config: {{ client: allow, agents: ["*"] }}
{user_policies}services: [{{ name: gateway, match: {{ authenticator: programs, subject: gateway }}, relay: true }}]
rate_limits:
  per_principal: 1000000/s
  per_address: 1000000/s
  per_service: 1000000/s
  auth_failures_per_address: 1000000/s
  agents_per_principal: 1000000/s
  agents_per_service: 1000000/s
  max_in_flight: 1000000
log_level: {log_level}
"""


class Server:
    """A server under measurement. `constant` ones answer no token."""

    def __init__(self, key, title, start, constant=False):
        self.key = key
        self.title = title
        self.constant = constant
        self.ours = key in OURS
        self.port = free_port()
        self.folder = peers.WORK / "run" / key
        self.programs = []
        self._start = start

    def path(self, kind):
        return f"/{kind}" if self.constant else "/getToken"

    def start(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        try:
            self.programs = self._start(self)
            self._await()
        except BaseException:
            self.stop()
            raise

    def _await(self):
        end = time.monotonic() + 30
        while True:
            for program in self.programs:
                if program.ended():
                    raise RuntimeError(f"it ended: {program.last_words()}")
            try:
                status, text = answers.fetch(self.port, self.path("small"), "small")
                if status != 503:  # a gateway whose server is still starting
                    return
                reason = text
            except OSError as error:
                reason = error
            if time.monotonic() > end:
                raise RuntimeError(f"no answer within 30 s: {reason}")
            time.sleep(0.05)

    def check(self):
        """Every kind of request must be answered as it should; returns the size of each answer's body."""
        sizes = {}
        for kind in answers.REQUESTS:
            status, text = answers.fetch(self.port, self.path(kind), kind)
            sizes[kind] = len(text)
            if self.constant and status == 201:
                continue
            answers.check(kind, status, text)
        return sizes

    def cpu_seconds(self):
        return sum(program.cpu_seconds() for program in self.programs)

    def cpu_milliseconds(self):
        return sum(program.cpu_milliseconds() for program in self.programs)

    def resident_bytes(self):
        return sum(program.resident_bytes() for program in self.programs)

    def ended(self):
        return any(program.ended() for program in self.programs)

    def stop(self):
        for program in self.programs:
            program.stop()
        self.programs = []


def write(folder, name, text):
    path = folder / name
    path.write_text(text)
    path.chmod(0o600)  # secrets must not be accessible to others


def write_server_yaml(folder, grpc, log_level, more=""):
    digest = hashlib.sha256(GATEWAY_SECRET.encode()).hexdigest()
    write(folder, "programs.yaml", f"keys: [{{ id: gateway, sha256: {digest} }}]\n")
    callers.write_issuer(folder)
    text = SERVER_YAML.format(grpc=grpc, url=answers.URL, log_level=log_level, users=callers.AUTHENTICATOR,
                              user_policies=callers.POLICIES.lstrip("\n"))
    write(folder, "server.yaml", text + more)


def standalone(log_level="warn", limits=""):
    def start(server):
        http = f'listen: {{ http: "127.0.0.1:{server.port}" }}'
        gateway = f"gateway: {{ {http}, limits: {{ {limits} }} }}\n"
        write_server_yaml(server.folder, f"unix:{server.folder}/grpc", log_level, gateway)
        argv = [BIN / "livekit-token-standalone", "--config=server.yaml"]
        return [Program(argv, server.folder, "standalone", SETTINGS)]

    return start


def two_processes(unix):
    def start(server):
        address = f"unix:{server.folder}/grpc" if unix else f"127.0.0.1:{free_port()}"
        write_server_yaml(server.folder, address, "warn")
        write(server.folder, "gateway.key", f"gateway.{GATEWAY_SECRET}")
        write(server.folder, "gateway.yaml", (
            f'listen: {{ http: "127.0.0.1:{server.port}", admin: "127.0.0.1:0" }}\n'
            f'server: {{ address: "{address}", caller_token_file: gateway.key }}\nlog_level: warn\n'
        ))
        return [
            Program([BIN / "livekit-token-server", "--config=server.yaml"], server.folder, "server", SETTINGS),
            Program([BIN / "livekit-token-gateway", "--config=gateway.yaml"], server.folder, "gateway"),
        ]

    return start


def environment(server, **more):
    return {**SETTINGS, "PORT": str(server.port), **more}


def nginx(sizes):
    """`sizes` of the bodies that it answers, by kind of request."""
    program = peers.need("nginx")

    def constant(size):
        frame = '{"server_url":""}'
        return frame.replace('""', '"' + "x" * (size - len(frame)) + '"')

    def start(server):
        config = (peers.SOURCES / "nginx/nginx.conf.in").read_text()
        config = config.replace("@PORT@", str(server.port))
        config = config.replace("@SMALL@", constant(sizes["small"])).replace("@DISPATCH@", constant(sizes["dispatch"]))
        (server.folder / "nginx.conf").write_text(config)
        argv = [program, "-p", server.folder, "-c", "nginx.conf", "-g", "daemon off;"]
        return [Program(argv, server.folder, "nginx")]

    return start


def go():
    program = peers.install_go()
    return lambda server: [Program([program], server.folder, "go", environment(server))]


def go_grpc():
    program = peers.install_go()

    def start(server):
        env = environment(server, GRPC_PORT=str(free_port()))
        return [Program([program, mode], server.folder, mode, env) for mode in ("back", "front")]

    return start


def node():
    folder = peers.install_node()
    argv = ["node", folder / "server.js"]
    return lambda server: [Program(argv, server.folder, "node", environment(server, NODE_ENV="production"))]


def python():
    folder = peers.install_python()
    argv = [folder / "venv/bin/python", "-m", "uvicorn", "server:app", "--app-dir", folder, "--host", "127.0.0.1"]
    options = ["--workers", "2", "--no-access-log", "--log-level", "warning"]
    return lambda server: [
        Program([*argv, "--port", server.port, *options], server.folder, "python", environment(server))
    ]


def rust():
    program = peers.install_rust()
    return lambda server: [Program([program], server.folder, "rust", environment(server))]


def describe_go():
    return f"Go {peers.version('go', 'version')}, livekit/protocol/auth {peers.pinned('go/go.mod', 'livekit/protocol')}"


def describe_go_grpc():
    return f"the same in front of grpc-go {peers.pinned('go/go.mod', 'google.golang.org/grpc')}, unary over TCP"


def describe_nginx():
    return f"nginx {peers.version(peers.need('nginx'), '-v')}, 2 workers: a constant body as long as ours, the bound"


def describe_node():
    express, sdk = (peers.pinned("node/package.json", name) for name in ("express", "livekit-server-sdk"))
    return f"Node {peers.version('node', '--version')}, express {express}, livekit-server-sdk {sdk}"


def describe_python():
    names = ("fastapi", "uvicorn", "livekit-api")
    fastapi, uvicorn, sdk = (peers.pinned("python/requirements.txt", f"\\n{name}") for name in names)
    python_version = peers.version(peers.WORK / "python/venv/bin/python", "--version")
    return f"Python {python_version}, FastAPI {fastapi}, uvicorn {uvicorn} with uvloop and httptools, livekit-api {sdk}"


def describe_rust():
    axum, sdk = (peers.pinned("rust/Cargo.toml", name) for name in ("axum", "livekit-api"))
    return f"Rust {peers.version('rustc', '--version')}, axum {axum}, livekit-api {sdk}"


# Title and how to start, by name.
OURS = {
    "standalone": ("ours, standalone", standalone),
    "access-log": ("ours, standalone, access log", lambda: standalone(log_level="info")),
    "tcp": ("ours, two processes, TCP", lambda: two_processes(unix=False)),
    "unix": ("ours, two processes, unix socket", lambda: two_processes(unix=True)),
}
# Title, how to install and start, and what it is.
PEERS = {
    "nginx": ("nginx, constant 201", nginx, describe_nginx),
    "go": ("Go net/http", go, describe_go),
    "go-grpc": ("Go net/http and grpc-go", go_grpc, describe_go_grpc),
    "node": ("Node express, cluster of 2", node, describe_node),
    "python": ("Python FastAPI, 2 workers", python, describe_python),
    "rust": ("Rust axum, 2 workers", rust, describe_rust),
}
ALL = [*OURS, *PEERS]
