"""Clients that look at a port, and what processes use meanwhile."""

import contextlib
import http.client
import os
import socket
import threading
import time

import http2


def http_status(program, path="/getToken", timeout=2):
    """Status that a new connection gets; 0 if none."""
    connection = http.client.HTTPConnection(program.host, program.port, timeout=timeout)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def speaks_http2(program, timeout=2):
    """Whether a new connection gets the settings of the peer, as from a gRPC server that serves."""
    try:
        with contextlib.closing(http2.Connection(program.host, program.port, timeout=timeout)) as connection:
            return any(kind == http2.SETTINGS for kind, *_ in connection.frames(timeout))
    except OSError:
        return False


def seconds_until(condition, patience):
    """How long it takes; None if longer than this."""
    begin = time.monotonic()
    while not condition():
        if time.monotonic() > begin + patience:
            return None
        time.sleep(0.02)
    return time.monotonic() - begin


def memory_mib(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Sink:
    """Takes connections, greets them, and throws away what comes."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.open = []
        self.thread = threading.Thread(target=self.run)

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                self.open.append(self.listener.accept()[0])
                threading.Thread(target=self.drain, args=(self.open[-1],)).start()

    def drain(self, peer):
        with contextlib.suppress(OSError):
            peer.sendall(b"\0")
            while peer.recv(1 << 16):
                pass

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        for one in (self.listener, *self.open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self.thread.join()


@contextlib.contextmanager
def connections(program, count):
    """So many at once, as sockets; those that are refused are left out."""
    sockets = []
    try:
        for _ in range(count):
            with contextlib.suppress(OSError):
                sockets.append(socket.create_connection((program.host, program.port), 2))
        yield sockets
    finally:
        for one in sockets:
            one.close()
