"""P7: what keeps a program from starting is said at once, and never with the value that is wrong."""

import json
import os
import secrets
import socket
import subprocess
import time
from dataclasses import dataclass

from certificates import Authority
from processes import BIN, Missing, free_port, need_tool, write
from scenario import Result, scenario

LIMIT = 1  # seconds from the start to the end
SERVER, GATEWAY, STANDALONE = "server", "gateway", "standalone"
SERVER_YAML = """
listen: {{ grpc: "127.0.0.1:{grpc}", admin: "127.0.0.1:{admin}" }}
projects: [{{ name: main, client_url: "wss://livekit.example", keys: {{ file: keys.yaml }} }}]
authenticators: [{{ name: anyone, anonymous: {{}} }}]
policies: [{{ name: guest, match: {{ authenticator: anyone }}, room: {{ client: allow }} }}]
"""
GATEWAY_YAML = """
listen: {{ http: "127.0.0.1:{http}", admin: "127.0.0.1:{admin}" }}
server: {{ address: "127.0.0.1:{grpc}" }}
"""
STANDALONE_YAML = SERVER_YAML + """
gateway: {{ listen: {{ http: "127.0.0.1:{http}" }} }}
"""
YAML = {SERVER: SERVER_YAML, GATEWAY: GATEWAY_YAML, STANDALONE: STANDALONE_YAML}
# Root may read every file, unless it goes without these.
UNPRIVILEGED = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []


class Attempt:
    """Files and ports of one start; the faults change them."""

    def __init__(self, folder, program, authority):
        folder.mkdir()
        self.folder = folder
        self.program = program
        self.secrets = [secrets.token_hex(24), secrets.token_hex(24)]
        self.ports = {name: free_port() for name in ("grpc", "http", "admin")}
        self.prefix = []
        self.taken = None
        self.config = folder / "config.yaml"
        write(self.config, YAML[program].format(**self.ports))
        self.keys(f"APIone: {self.secrets[0]}\n")
        for name in ("one", "other"):
            authority.certify(folder, name, "DNS:localhost")

    def keys(self, text):
        write(self.folder / "keys.yaml", text)

    def edit(self, old, new):
        text = self.config.read_text()
        assert old in text
        write(self.config, text.replace(old, new))

    def append(self, text):
        write(self.config, self.config.read_text() + text)

    def take(self, name):
        self.taken = socket.create_server(("127.0.0.1", self.ports[name]))

    def unreadable(self, name):
        (self.folder / name).chmod(0)
        self.prefix = UNPRIVILEGED

    def run(self, patience=5 * LIMIT):
        """Status (None: it ran on), seconds, and all that it said."""
        argv = [*self.prefix, str(BIN / f"livekit-token-{self.program}"), "--config=config.yaml"]
        begin = time.monotonic()
        with subprocess.Popen(argv, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True) as process:
            try:
                said, _ = process.communicate(timeout=patience)
                status = process.returncode
            except subprocess.TimeoutExpired:
                process.kill()
                said, _ = process.communicate()
                status = None
        took = time.monotonic() - begin
        (self.folder / "output.log").write_text(said)
        if self.taken:
            self.taken.close()
        return status, took, said


@dataclass(frozen=True)
class Fault:
    """`make` brings it about; `says` stands in one line, which is a problem of the configuration or, with `runtime`, a
    failure of the start."""

    name: str
    programs: tuple
    make: object
    says: tuple
    runtime: bool = False
    never: tuple = ()  # what is not said either


WITH_KEYS = (SERVER, STANDALONE)
WITH_HTTP = (GATEWAY, STANDALONE)
ALL = (SERVER, GATEWAY, STANDALONE)
WRONG = "Wr0ngValue"
SHORT = "t00ShortASecret"

FAULTS = (
    Fault("gRPC port taken", WITH_KEYS, lambda a: a.take("grpc"), ("gRPC address 127.0.0.1:{grpc}",), runtime=True),
    Fault("HTTP port taken", WITH_HTTP, lambda a: a.take("http"), ("127.0.0.1:{http}: the port is in use",),
          runtime=True),
    Fault("admin port taken", ALL, lambda a: a.take("admin"), ("127.0.0.1:{admin}: the port is in use",), runtime=True),
    Fault("configuration missing", ALL, lambda a: a.config.unlink(), ("config.yaml: ", "does not exist")),
    Fault("configuration unreadable", ALL, lambda a: a.unreadable("config.yaml"), ("config.yaml: ", "may not be read")),
    Fault("configuration truncated", ALL, lambda a: a.append("drain: { delay: 1s,"), ("config.yaml: ",)),
    Fault("unknown field", ALL, lambda a: a.append(f"drian: {WRONG}\n"), ("config.yaml: drian: is not a known key",),
          never=(WRONG,)),
    Fault("wrong type", ALL, lambda a: a.append(f"drain: {{ delay: {WRONG} }}\n"),
          ("config.yaml: drain.delay: must be a duration",), never=(WRONG,)),
    Fault("wrong kind", ALL, lambda a: a.append(f"drain: [{WRONG}]\n"), ("config.yaml: drain: must be a mapping",),
          never=(WRONG,)),
    Fault("key file missing", WITH_KEYS, lambda a: (a.folder / "keys.yaml").unlink(),
          ("config.yaml: projects[0].keys: keys.yaml: ", "cannot be read")),
    Fault("key file unreadable", WITH_KEYS, lambda a: a.unreadable("keys.yaml"),
          ("config.yaml: projects[0].keys: keys.yaml: ",)),
    Fault("key file empty", WITH_KEYS, lambda a: a.keys(""), ("config.yaml: projects[0].keys: keys.yaml: ", "no key")),
    Fault("key too short", WITH_KEYS, lambda a: a.keys(f"APIone: {SHORT}\n"),
          ("config.yaml: projects[0].keys: keys.yaml: line 1: ", "shorter than 32 bytes"), never=(SHORT,)),
    Fault("key file open to others", WITH_KEYS, lambda a: (a.folder / "keys.yaml").chmod(0o604),
          ("config.yaml: projects[0].keys: keys.yaml: ", "others may access")),
    Fault("several keys and none to sign", WITH_KEYS,
          lambda a: a.keys(f"APIone: {a.secrets[0]}\nAPItwo: {a.secrets[1]}\n"),
          ("config.yaml: projects[0].keys.signing_key: is required",)),
    Fault("gRPC certificate of another key", WITH_KEYS,
          lambda a: a.edit(", admin:", ", tls: { cert_file: one.crt, key_file: other.key }, admin:"),
          ("config.yaml: listen.tls.key_file: other.key: ",)),
    Fault("HTTP certificate of another key", (GATEWAY,),
          lambda a: a.edit(", admin:", ", tls: { cert_file: one.crt, key_file: other.key }, admin:"),
          ("config.yaml: listen.tls.key_file: other.key: ",)),
    Fault("HTTP certificate of another key", (STANDALONE,),
          lambda a: a.edit(f'"127.0.0.1:{a.ports["http"]}"',
                           f'"127.0.0.1:{a.ports["http"]}", tls: {{ cert_file: one.crt, key_file: other.key }}'),
          ("config.yaml: gateway.listen.tls.key_file: other.key: ",)),
    Fault("own certificate of another key", (GATEWAY,),
          lambda a: a.edit(f'"127.0.0.1:{a.ports["grpc"]}"',
                           f'"127.0.0.1:{a.ports["grpc"]}", tls: {{ cert_file: one.crt, key_file: other.key }}'),
          ("config.yaml: server.tls.key_file: other.key: ",)),
    Fault("bad server address", (GATEWAY,),
          lambda a: a.edit(f'"127.0.0.1:{a.ports["grpc"]}"', f'"{WRONG} and more"'),
          ("config.yaml: server.address: ",), never=(WRONG,)),
    Fault("server address elsewhere without TLS", (GATEWAY,),
          lambda a: a.edit(f'"127.0.0.1:{a.ports["grpc"]}"', '"192.0.2.1:50051"'),
          ("config.yaml: server.address: ", "unencrypted"), never=("192.0.2.1",)),
    Fault("caller token missing", (GATEWAY,),
          lambda a: a.edit("server: { ", "server: { caller_token_file: none.key, "), 
          ("config.yaml: server.caller_token_file: none.key: ", "does not exist")),
)


@scenario("p7", f"what keeps a program from starting is said within {LIMIT} s, and never a secret or a wrong value")
def start(folder):
    need_tool("openssl", "setpriv")
    if not (BIN / "livekit-token-standalone").exists():
        raise Missing(f"there is no livekit-token-standalone in {BIN}")
    result = Result()
    slowest = 0
    count = 0
    authority = Authority(folder, "start")
    for fault in FAULTS:
        for program in fault.programs:
            count += 1
            attempt = Attempt(folder / f"{count}_{program}", program, authority)
            fault.make(attempt)
            slowest = max(slowest, try_start(result, fault, attempt))
    for program in ALL:
        result.check(f"{program}: runs on without a fault", runs(folder, program, authority))
    result.figure("starts", count)
    result.figure("slowest_s", slowest)
    return result


def try_start(result, fault, attempt):
    """Seconds that it took."""
    status, took, said = attempt.run()
    name = f"{attempt.program}, {fault.name}"
    result.check(f"{name}: ends with 1 and not with {status}", status == 1)
    result.check(f"{name}: ends within {LIMIT} s; {took:.2f} s", took <= LIMIT)
    lines = said.splitlines()
    last = lines[-1] if lines else ""
    words = [text.format(**attempt.ports) for text in fault.says]
    result.check(f"{name}: says {' ... '.join(words)} in `{last}`", all(word in last for word in words))
    if fault.runtime:
        events = [json.loads(line)["event"] for line in lines]
        result.check(f"{name}: one line start_failed, at the end; {events}",
                     events.count("start_failed") == 1 and events[-1] == "start_failed")
    else:
        result.check(f"{name}: one problem and nothing else; {len(lines)} lines", len(lines) == 1)
    result.check(f"{name}: no secret and no wrong value is said",
                 not any(value in said for value in (*attempt.secrets, *fault.never)))
    return took


def runs(folder, program, authority):
    """Whether it starts as it is: otherwise the faults would prove nothing."""
    status, _, _ = Attempt(folder / f"without_{program}", program, authority).run(patience=LIMIT)
    return status is None
