"""The built programs and a Prometheus that scrapes them, with requests of every kind that makes series appear."""

import base64
import hashlib
import http.client
import http.server
import json
import pathlib
import secrets
import signal
import ssl
import subprocess
import sys
import threading
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/faults"))
import http2
from processes import BIN, Failed, Missing, Program, await_that, free_port, write

SPIFFE = "spiffe://acme/gateway"
COMMON = """
projects:
  - {{ name: main, client_url: "wss://livekit.example", keys: {{ file: keys.yaml, signing_key: {signing_key} }} }}
policies:
  - name: member
    match: {{ authenticator: {members} }}
    room: {{ client: allow }}
  - name: guest
    match: {{ authenticator: guests }}
    room: {{ client: allow, pattern: "lobby-[a-z]+" }}
drain: {{ delay: 0s, timeout: 1s }}
"""
SERVER = """
listen:
  grpc: "127.0.0.1:{port}"
  admin: "127.0.0.1:{admin}"
  tls: {{ cert_file: server.crt, key_file: server.key, client_ca_file: ca.crt }}
authenticators:
  - {{ name: workloads, mtls: {{ uri_sans: ["{spiffe}"] }} }}
  - {{ name: guests, anonymous: {{}} }}
  - {{ name: session, forward_auth: {{ url: "{web}/session", allow_http: true, forward_cookies: [sid],
      subject: {{ json: user }} }} }}
services: [{{ name: gateway, match: {{ authenticator: workloads, subject: "{spiffe}" }}, relay: true }}]
"""
GATEWAY = """
listen:
  http: "127.0.0.1:{port}"
  admin: "127.0.0.1:{admin}"
  tls: {{ cert_file: server.crt, key_file: server.key }}
server:
  address: "localhost:{server}"
  tls: {{ ca_file: ca.crt, cert_file: gateway.crt, key_file: gateway.key }}
cors: {{ origins: ["https://app.example"] }}
drain: {{ delay: 0s, timeout: 1s }}
"""
STANDALONE = """
listen: {{ grpc: "127.0.0.1:{grpc}", admin: "127.0.0.1:{admin}" }}
authenticators:
  - {{ name: programs, api_keys: {{ file: programs.yaml, header: authorization }} }}
  - {{ name: guests, anonymous: {{}} }}
  - {{ name: users, jwt: {{ issuer: "https://login.example", audiences: [calls], jwks_uri: "{web}/jwks.json",
      allow_http: true, header: x-user-token }} }}
  - {{ name: session, forward_auth: {{ url: "{web}/session", allow_http: true, forward_cookies: [sid],
      subject: {{ json: user }} }} }}
services:
  - name: minter
    match: {{ authenticator: programs, subject: minter }}
    mint: {{ rooms: ["*"], identities: ["*"], video: {{ room_join: true }} }}
rate_limits: {{ per_address: 5/h burst 5, per_service: 5/h burst 5 }}
gateway:
  listen: {{ http: "127.0.0.1:{port}" }}
  relay_cookies: [sid]
"""
PROMETHEUS = """
global: {{ scrape_interval: 1s, evaluation_interval: 1s }}
rule_files: ["{rules}"]
scrape_configs:
{jobs}"""


def _field(number, payload):
    """A field of a protocol buffer that has a length."""
    return bytes([number << 3 | 2, len(payload)]) + payload


class Web(http.server.BaseHTTPRequestHandler):
    """An identity provider's keys, and an application with one session, which does not answer about another."""

    jwks = ""

    def do_GET(self):
        if "sid=broken" in self.headers.get("Cookie", ""):
            self.close_connection = True
            return
        body = self.jwks if self.path == "/jwks.json" else json.dumps({"user": "alice"})
        good = self.path == "/jwks.json" or "sid=good" in self.headers.get("Cookie", "")
        self.send_response(200 if good else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


class Live:
    """Server, gateway, standalone and Prometheus. Use it with `with`."""

    def __init__(self, folder, rules, prometheus):
        for name in ("server", "gateway", "standalone"):
            if not (BIN / f"livekit-token-{name}").exists():
                raise Missing(f"there is no livekit-token-{name} in {BIN}: ./dev build")
        self.folder = pathlib.Path(folder)
        self.rules, self.prometheus = rules, prometheus
        self.make_secrets()
        self.web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
        self.programs, self.scraper = [], None
        self.api = free_port()

    def __enter__(self):
        threading.Thread(target=self.web.serve_forever, daemon=True).start()
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def openssl(self, *arguments):
        return subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True).stdout

    def make_secrets(self):
        self.secret = secrets.token_hex(24)
        write(self.folder / "keys.yaml", "".join(f"{key}: {secrets.token_hex(24)}\n" for key in ("APIold", "APInew")))
        write(self.folder / "programs.yaml",
              f"keys:\n  - {{ id: minter, sha256: {hashlib.sha256(self.secret.encode()).hexdigest()} }}\n")
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        self.openssl("req", "-x509", *curve, "-days", "30", "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.crt")
        for name, alternative in (("server", "DNS:localhost"), ("gateway", f"URI:{SPIFFE}")):
            self.openssl("req", *curve, "-subj", f"/CN={name}", "-addext", f"subjectAltName={alternative}", "-keyout",
                         f"{name}.key", "-out", f"{name}.csr")
            self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-days", "30",
                         "-copy_extensions", "copy", "-out", f"{name}.crt")
            (self.folder / f"{name}.key").chmod(0o600)
        self.openssl("genpkey", "-algorithm", "ed25519", "-out", "idp.key")
        # The last 32 bytes of such a key are the point itself.
        point = self.openssl("pkey", "-in", "idp.key", "-pubout", "-outform", "DER")[-32:]
        Web.jwks = json.dumps({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "1", "use": "sig", "alg": "EdDSA",
                                         "x": base64.urlsafe_b64encode(point).decode().rstrip("=")}]})

    def program(self, name):
        made = Program(name, [BIN / f"livekit-token-{name}", f"--config={name}.yaml"], self.folder)
        self.programs.append(made)
        return made

    def configure(self, signing_key):
        common = COMMON.format(signing_key=signing_key, members="session")
        web = f"http://127.0.0.1:{self.web.server_port}"
        write(self.folder / "server.yaml", SERVER.format(
            port=self.server.port, admin=self.server.admin_port, spiffe=SPIFFE, web=web) + common)
        write(self.folder / "standalone.yaml", STANDALONE.format(
            grpc=self.grpc, admin=self.standalone.admin_port, port=self.standalone.port, web=web) + common)

    def start(self):
        self.server, self.gateway, self.standalone = map(self.program, ("server", "gateway", "standalone"))
        self.grpc = free_port()
        self.configure("APIold")
        write(self.folder / "gateway.yaml", GATEWAY.format(
            port=self.gateway.port, admin=self.gateway.admin_port, server=self.server.port))
        for program in self.programs:
            program.start()
        self.make_series()
        self.start_prometheus()

    def ask(self, program, body='{"room_name": "lobby-x"}', method="POST", path="/getToken", **headers):
        """The status of a request."""
        if program is self.gateway:
            context = ssl.create_default_context(cafile=self.folder / "ca.crt")
            connection = http.client.HTTPSConnection("localhost", program.port, timeout=15, context=context)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", program.port, timeout=15)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json", **headers})
            return connection.getresponse().status
        finally:
            connection.close()

    def call(self, method, body, *fields):
        """The gRPC status of a call of the standalone program."""
        connection = http2.Connection("127.0.0.1", self.grpc)
        try:
            return http2.call(connection, http2.call_fields(method, *fields), http2.message(body))
        finally:
            connection.close()

    def expect(self, what, got, *wanted):
        if got not in wanted:
            raise Failed(f"{what}: {got} instead of {' or '.join(map(str, wanted))}")

    def make_series(self):
        """Each outcome that alerts and panels look for, once."""
        bearer = ("authorization", f"Bearer minter.{self.secret}")
        # MintAccessTokenRequest: grants, of which identity, and video with room_join and room.
        mint = _field(1, _field(1, b"rec") + _field(7, bytes([5 << 3, 1]) + _field(6, b"studio")))
        for program in (self.gateway, self.standalone):
            self.expect("a guest", self.ask(program), 201)
            self.expect("another room", self.ask(program, '{"room_name": "x", "bogus": 1}'), 403)
            self.expect("no path", self.ask(program, path="/nothing"), 404)
        self.expect("a preflight", self.ask(self.gateway, method="OPTIONS", Origin="https://app.example", **{
            "Access-Control-Request-Method": "POST"}), 204)
        self.expect("a session", self.ask(self.standalone, Cookie="sid=good"), 201)
        self.expect("a session that has ended", self.ask(self.standalone, Cookie="sid=bad"), 401)
        self.expect("a session about which nobody answers", self.ask(self.standalone, Cookie="sid=broken"), 503)
        self.expect("minting", self.call("MintAccessToken", mint, bearer), 0)
        for _ in range(6):
            limited = self.ask(self.standalone), self.call("MintAccessToken", mint, bearer)
        self.expect("a guest too often", limited[0], 429)
        self.expect("minting too often", limited[1], 8)
        self.expect("the same over gRPC", self.call("IssueParticipantToken", b"", ("cookie", "sid=broken")), 14)
        self.server.kill()
        self.expect("a guest without a server", self.ask(self.gateway), 503)
        self.server.start()
        await_that(lambda: self.ask(self.gateway) == 201, "a guest is served again")
        self.configure("APInew")
        for program in (self.server, self.standalone):
            await_that(lambda p=program: p.metric("livekit_token_key_state", key="APIold", state="retiring") == 1,
                       f"{program.name} has the other key")
        self.expect("a guest with the new key", self.ask(self.gateway), 201)
        self.expect("a session with the new key", self.ask(self.standalone, Cookie="sid=good"), 201)

    def metrics(self):
        """The text of /metrics of every program."""
        return {program.name: program.admin("/metrics")[1] for program in self.programs}

    def start_prometheus(self):
        jobs = "".join(f'  - {{ job_name: {p.name}, static_configs: [{{ targets: ["127.0.0.1:{p.admin_port}"] }}] }}\n'
                       for p in self.programs)
        write(self.folder / "prometheus.yml", PROMETHEUS.format(rules=self.rules, jobs=jobs))
        with open(self.folder / "prometheus.log", "wb") as log:
            self.scraper = subprocess.Popen(
                [self.prometheus, "--config.file=prometheus.yml", "--storage.tsdb.path=data",
                 f"--web.listen-address=127.0.0.1:{self.api}"], cwd=self.folder, stdout=log, stderr=log)

        def scraped():
            if self.scraper.poll() is not None:
                raise Failed("Prometheus ended: " + (self.folder / "prometheus.log").read_text()[-2000:])
            try:
                found = self.query("count_over_time(livekit_token_build_info[1m]) >= 3")
            except (OSError, ValueError, http.client.HTTPException):
                return False  # not up yet, or says so in words
            return len(found) == len(self.programs)

        await_that(scraped, "Prometheus has scraped each program three times", 60)

    def get(self, path, **parameters):
        """What Prometheus answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.api, timeout=10)
        try:
            connection.request("GET", f"/api/v1/{path}?" + urllib.parse.urlencode(parameters))
            answer = json.load(connection.getresponse())
        finally:
            connection.close()
        if answer["status"] != "success":
            raise Failed(f"Prometheus refuses {parameters}: {answer.get('error')}")
        return answer["data"]

    def query(self, expression):
        return self.get("query", query=expression)["result"]

    def stop(self):
        if self.scraper is not None and self.scraper.poll() is None:
            self.scraper.send_signal(signal.SIGTERM)
            self.scraper.wait(30)
        for program in self.programs:
            program.stop()
        self.web.shutdown()
