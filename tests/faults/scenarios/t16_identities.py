"""T16: callers with certificates that are not theirs, over mTLS."""

import contextlib
import ssl
import time

import http2
from certificates import Authority
from load import grpc_load
from processes import Cluster, need_tool
from scenario import Result, loads, scenario
from scenarios.t10_certificates import CALLERS, HOST, ID, use_certificates

OK, PERMISSION_DENIED, UNAUTHENTICATED = 0, 7, 16
HANDSHAKE = "no handshake"
ROUNDS = 12
PAUSE = 0.02  # seconds between two handshakes


class Identity:
    """The folder of a caller's files."""

    def __init__(self, folder, authority, name):
        self.path = folder / f"{name}.tls"
        self.path.mkdir()
        authority.certify(self.path, "tls", f"URI:{ID}{name}")
        (self.path / "ca.crt").write_text(authority.cert.read_text())


class Identities:
    """Of one server and both callers, for use_certificates."""

    def __init__(self, folder, authority):
        self.servers = [(None, f"DNS:{HOST}")]
        self.callers = {name: Identity(folder, authority, name) for name in CALLERS}

    def caller(self, name):
        return self.callers[name]


def identities(folder, authority, other):
    """(what, certificate and key or None, what must become of a call)."""
    gateway, minter = f"{ID}gateway", f"{ID}minter"
    refused = {UNAUTHENTICATED, PERMISSION_DENIED}
    yield "no certificate", None, {HANDSHAKE}
    yield "another authority", other.certify(folder, "other", f"URI:{minter}"), {HANDSHAKE}
    yield "expired", authority.certify(folder, "expired", f"URI:{minter}", days=-1), {HANDSHAKE}
    for name, san, subject in (
            ("another SPIFFE id", "URI:spiffe://acme/ns/calls/sa/thief", None),
            ("another trust domain", "URI:spiffe://evil/ns/calls/sa/minter", None),
            ("a longer id", f"URI:{minter}/x", None),
            ("a DNS name like the id", "DNS:acme/ns/calls/sa/minter", None),
            ("a DNS name that is the id", f"DNS:{minter}", None),
            ("an e-mail address like the id", "email:minter@acme", None),
            ("two ids", f"URI:{minter},URI:{gateway}", None),
            ("the id twice", f"URI:{minter},URI:{minter}", None),
            ("an id with a wildcard", f"URI:{ID}*", None),
            ("the id as common name only", None, "minter"),
            ("upper case", "URI:SPIFFE://ACME/ns/calls/sa/minter", None)):
        yield name, authority.certify(folder, name.replace(" ", "_"), san, subject), refused


def attempt(server, authority, pair):
    """What becomes of a call with this certificate."""
    context = ssl.create_default_context(cafile=authority.cert)
    context.set_alpn_protocols(["h2"])
    if pair:
        context.load_cert_chain(*pair)
    try:
        with contextlib.closing(http2.Connection(server.host, server.port, context, HOST)) as connection:
            status = http2.call(connection, http2.call_fields("MintAccessToken"), http2.message(b""))
            # In TLS 1.3 the client has finished before the server has looked at its certificate.
            return HANDSHAKE if status in ("closed", None) else status
    except OSError:
        return HANDSHAKE


def present(server, authority, pairs, seen):
    """Makes a call with each of the certificates, by title, again and again; notes in `seen` what becomes of them.
    Returns how many there were."""
    for _ in range(ROUNDS):
        for title, pair in pairs:
            seen.setdefault(title, set()).add(attempt(server, authority, pair))
            time.sleep(PAUSE)
    return ROUNDS * len(pairs)


@scenario("t16", "wrong identities over mTLS: all refused, no token, others not slowed down")
def wrong_identities(folder):
    need_tool("openssl")
    result = Result()
    with Cluster(folder) as cluster:
        authority, other = Authority(folder, "good"), Authority(folder, "evil")
        cert, key = authority.certify(folder, "server", f"DNS:{HOST}")
        server = cluster.add_server(listen=f", tls: {{ cert_file: {cert}, key_file: {key}, client_ca_file: "
                                           f"{authority.cert} }}")
        callers = Identities(folder, authority)
        use_certificates(cluster, callers)
        cluster.start()
        own = callers.caller("minter").path
        flags = {"ca_file": own / "ca.crt", "cert_file": own / "tls.crt", "key_file": own / "tls.key",
                 "server_name": HOST}
        how = {"grpc": {**grpc_load(cluster), **flags}}
        del how["grpc"]["credential_file"]
        wrong = list(identities(folder, authority, other))
        seen = {}
        right = "the right certificate"
        with loads(**how) as running:
            # As many handshakes: what those cost is no harm that wrong identities do.
            present(server, authority, [(right, (own / "tls.crt", own / "tls.key"))] * len(wrong), seen)
            quiet = running.stop()
        result.check(f"{right} gets a token: {seen[right]}", seen[right] == {OK})
        with loads(**how) as running:
            tried = present(server, authority, [(title, pair) for title, pair, _ in wrong], seen)
            reports = running.stop()
        for title, _, expected in wrong:
            result.check(f"{title}: {seen[title]}, to be {expected}", seen[title] <= expected)
        result.none_failed(quiet, reports)
        result.p99_at_most("grpc", quiet["grpc"], reports["grpc"])
        result.figure("calls", tried)
        others = server.tokens() - server.tokens(caller="minter")
        result.check(f"no token for anybody else: {others:.0f}", others == 0)
        result.check("the server lives", server.running() and server.admin("/livez")[0] == 200)
    return result
