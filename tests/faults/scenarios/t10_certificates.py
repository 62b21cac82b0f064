"""T10: certificates and authorities that are replaced, on both sides, while connections are made all the time."""

import subprocess
import time

from certificates import Authority
from load import grpc_load, http_load
from processes import Cluster, Failed, await_that, need_tool, write
from scenario import Result, control, loads, scenario
from sockets import Watch
from volume import Volume

AGE = 1  # seconds that a connection lasts
SKEW = 2  # seconds by which gateway and clients come after the servers
STEP = 4  # seconds from one change to the next
HOST = "token-server.calls.svc"
ID = "spiffe://acme/ns/calls/sa/"
CALLERS = "gateway", "minter"
TLS = ", tls: {{ ca_file: {0}/ca.crt, cert_file: {0}/tls.crt, key_file: {0}/tls.key, server_name: " + HOST + " }}"


class Identities:
    """The volumes of all servers and of both callers."""

    def __init__(self, folder, servers, watch):
        self.folder = folder
        self.watch = watch
        self.servers = [(Volume(folder / f"server{number}.tls"), f"DNS:{HOST}") for number in range(servers)]
        self.callers = [(Volume(folder / f"{name}.tls"), f"URI:{ID}{name}") for name in CALLERS]
        self.trusted = []
        self.issuer = None
        self.count = 0

    def caller(self, name):
        return self.callers[CALLERS.index(name)][0]

    def put(self, side):
        """New leaves for one side, and the authorities that it trusts."""
        trusted = "".join(authority.cert.read_text() for authority in self.trusted)
        for volume, name in side:
            self.count += 1
            cert, key = self.issuer.certify(self.folder, f"leaf{self.count}", name)
            volume.swap({"ca.crt": trusted, "tls.crt": cert.read_text(), "tls.key": key.read_text()})

    def change(self, trusted, issuer):
        """One side after the other."""
        self.trusted, self.issuer = trusted, issuer
        self.put(self.servers)
        self.look(SKEW)
        self.put(self.callers)
        self.look(STEP - SKEW)

    def look(self, seconds):
        """Counts connections for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.watch.look()
            time.sleep(0.1)


def use_certificates(cluster, identities):
    """Takes certificates into the configurations instead of API keys, of which the servers keep those of users only."""
    for server, (volume, _) in zip(cluster.servers, identities.servers):
        path = cluster.folder / f"{server.name}.yaml"
        text = path.read_text().replace("authenticators:\n", "authenticators:\n  - { name: workloads, mtls: { "
                                        f'uri_sans: ["{ID}*"] }} }}\n')
        for name in CALLERS:
            old = f"authenticator: programs, subject: {name} "
            if old not in text:
                raise Failed(f"no `{old}` in {path}")
            text = text.replace(old, f'authenticator: workloads, subject: "{ID}{name}" ')
        write(path, text)
    gateway = cluster.add_gateway(server=TLS.format(identities.caller("gateway").path))
    path = cluster.folder / f"{gateway.name}.yaml"
    write(path, path.read_text().replace(f', caller_token_file: "{cluster.folder / "gateway.key"}"', ""))


def handshake(server, authority):
    """Whether one who trusts only this authority accepts the server; the answer of openssl."""
    words = ["openssl", "s_client", "-connect", server.address, "-servername", HOST, "-verify_hostname", HOST,
             "-CAfile", str(authority.cert), "-no-CApath", "-no-CAstore", "-verify_return_error", "-brief",
             "-alpn", "h2"]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10, check=False)
    said = done.stdout + done.stderr
    return "Verification: OK" in said, said


@scenario("t10", "leaves and authorities change on both sides, two seconds apart: no request fails")
def certificates(folder):
    need_tool("openssl")
    result = Result()
    with Cluster(folder) as cluster:
        old, new = Authority(folder, "old"), Authority(folder, "new")
        changes = (([old], old), ([old], old), ([old, new], old), ([old, new], new), ([new], new), ([new], new))
        watch = Watch([])
        identities = Identities(folder, 2, watch)
        for volume, _ in identities.servers:
            cluster.add_server(listen=f", max_connection_age: {AGE}s, tls: {{ cert_file: {volume / 'tls.crt'}, "
                                      f"key_file: {volume / 'tls.key'}, client_ca_file: {volume / 'ca.crt'} }}")
        use_certificates(cluster, identities)
        watch.ports.update(server.port for server in cluster.servers)
        identities.trusted, identities.issuer = [old], old
        identities.put(identities.servers + identities.callers)
        cluster.start()
        how = {"http": http_load(cluster), "grpc": {
            **grpc_load(cluster), "ca_file": identities.caller("minter") / "ca.crt",
            "cert_file": identities.caller("minter") / "tls.crt", "key_file": identities.caller("minter") / "tls.key",
            "server_name": HOST}}
        del how["grpc"]["credential_file"]
        quiet = control(**how)
        for server in cluster.servers:
            check_authority(result, server, trusted=old, refused=new)
        with loads(**how) as running:
            for trusted, issuer in changes:
                identities.change(trusted, issuer)
            before = [server.tokens() for server in cluster.servers]
            for server, tokens in zip(cluster.servers, before):
                await_that(lambda: server.tokens() > tokens + 100, f"{server.name} serves with the new authority")
            reports = running.stop()
        result.none_failed(quiet, reports)
        least = 4 * len(changes) * STEP / (AGE * 1.5)
        result.figure("connections", watch.count)
        result.check(f"connections were renewed: at least {least:.0f}, {watch.count} seen", watch.count >= least)
        for server in cluster.servers:
            check_authority(result, server, trusted=new, refused=old)
        for program in cluster.programs:
            result.check(f"{program.name} has refused no generation", "config_refused" not in program.log.read_text())
            result.check(f"{program.name} has taken all changes",
                         program.log.read_text().count("config_loaded") >= len(changes))
    return result


def check_authority(result, server, trusted, refused):
    """Which authority vouches for a server."""
    good, said = handshake(server, trusted)
    said = "yes" if good else said.strip()[-200:]
    result.check(f"{server.name} is vouched for by {trusted.cert.name}: {said}", good)
    good, said = handshake(server, refused)
    result.check(f"{server.name} is not vouched for by {refused.cert.name}",
                 not good and "verify error" in said.lower())
