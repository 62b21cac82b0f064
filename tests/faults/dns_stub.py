"""A DNS server whose answers, and failures to answer, a scenario decides."""

import queue
import socket
import struct
import threading
import time

A, IN = 1, 1
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3
TTL = 1


class DnsStub:
    """Answers at `host`, port 53. Names map to lists of IPv4 addresses or to a fault: `NXDOMAIN`, `SERVFAIL`, `DELAY`
    (answers are 5 s late), `SILENT` (none come). Use it with `with`."""

    NXDOMAIN = "NXDOMAIN"
    SERVFAIL = "SERVFAIL"
    DELAY = "DELAY"
    SILENT = "SILENT"
    DELAY_SECONDS = 5

    def __init__(self, host, ttl=TTL, cached=False):
        """`cached`: an answer with addresses is given again until its TTL is over, whatever the zone says by then, as
        CoreDNS does it."""
        self.host = host
        self.ttl = ttl
        self.cached = cached
        self.zone = {}
        self.faults = {}
        self.asked = {}  # name: number of questions for addresses
        self._cache = {}  # name: addresses, and until when they are given
        self._late = queue.PriorityQueue()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, 53))
        self._socket.settimeout(0.05)
        self._stop = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop = True
        self._thread.join()
        self._socket.close()

    def _serve(self):
        while not self._stop:
            while not self._late.empty() and self._late.queue[0][0] <= time.monotonic():
                _, answer, peer = self._late.get()
                self._socket.sendto(answer, peer)
            try:
                question, peer = self._socket.recvfrom(4096)
            except socket.timeout:
                continue
            name, kind, end = _parse(question)
            if kind == A:
                self.asked[name] = self.asked.get(name, 0) + 1
            fault = self.faults.get(name)
            if fault == self.SILENT:
                continue
            answer = self._answer(question, name, kind, end, fault)
            if fault == self.DELAY:
                self._late.put((time.monotonic() + self.DELAY_SECONDS, answer, peer))
            else:
                self._socket.sendto(answer, peer)

    def _look_up(self, name):
        addresses, until = self._cache.get(name, (None, 0))
        if time.monotonic() < until:
            return addresses
        addresses = self.zone.get(name)
        if self.cached and addresses:
            self._cache[name] = addresses, time.monotonic() + self.ttl
        return addresses

    def _answer(self, question, name, kind, end, fault):
        addresses = self._look_up(name)
        code = NXDOMAIN if addresses is None else NOERROR
        if fault in (self.NXDOMAIN, self.SERVFAIL):
            code, addresses = NXDOMAIN if fault == self.NXDOMAIN else SERVFAIL, None
        records = b""
        count = 0
        if kind == A:
            for address in addresses or []:
                # The name is that of the question, at offset 12.
                records += struct.pack("!HHHIH", 0xC00C, A, IN, self.ttl, 4) + socket.inet_aton(address)
                count += 1
        flags = 0x8580 | code  # an authoritative answer
        return question[:2] + struct.pack("!HHHHH", flags, 1, count, 0, 0) + question[12:end] + records


def _parse(question):
    """Name in lower case, type, and where the question section ends."""
    labels = []
    at = 12
    while question[at]:
        labels.append(question[at + 1:at + 1 + question[at]].decode().lower())
        at += 1 + question[at]
    kind, _ = struct.unpack("!HH", question[at + 1:at + 5])
    return ".".join(labels), kind, at + 5


def resolve_by(stub, folder):
    """Prefix that starts a program which asks `stub` for names: in a mount namespace of its own with another
    resolv.conf. Nothing outside is changed."""
    path = folder / "resolv.conf"
    path.write_text(f"nameserver {stub.host}\noptions timeout:2 attempts:2\n")
    return ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', path]
