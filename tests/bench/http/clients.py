"""Connections that want little, or nothing, for a long time. Only to 127.0.0.1."""

import selectors
import socket
import threading
import time
from dataclasses import dataclass

HEAD = b"POST /getToken HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
WINDOW = 200  # connections that are being opened at a time
OVERDUE = 5.0  # seconds after its deadline at which a slow client gives up


def connect(port):
    sock = socket.socket()
    sock.setblocking(False)
    sock.connect_ex(("127.0.0.1", port))
    return sock


class IdleConnections:
    """Each makes one request and then stays open."""

    def __init__(self, port, body):
        self._port = port
        self._request = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
        self._sockets = []

    def open(self, count, patience):
        """Returns how many were answered, all within `patience` seconds."""
        selector = selectors.DefaultSelector()
        end = time.monotonic() + patience
        begun = waiting = 0
        while (begun < count or waiting) and time.monotonic() < end:
            while begun < count and waiting < WINDOW:
                selector.register(connect(self._port), selectors.EVENT_WRITE)
                begun += 1
                waiting += 1
            for key, events in selector.select(1):
                sock = key.fileobj
                try:
                    if events & selectors.EVENT_WRITE:
                        sock.send(self._request)
                        selector.modify(sock, selectors.EVENT_READ)
                        continue
                    # Answers are far smaller than a segment of the loopback interface.
                    answered = sock.recv(65536).startswith(b"HTTP/1.1 201 ")
                except OSError:
                    answered = False
                selector.unregister(sock)
                waiting -= 1
                if answered:
                    self._sockets.append(sock)
                else:
                    sock.close()
        for key in list(selector.get_map().values()):
            key.fileobj.close()
        selector.close()
        return len(self._sockets)

    def still_open(self):
        count = 0
        for sock in self._sockets:
            try:
                sock.recv(1)  # neither an end nor bytes may have come
            except BlockingIOError:
                count += 1
            except OSError:
                pass
        return count

    def close(self):
        for sock in self._sockets:
            sock.close()
        self._sockets = []


@dataclass
class End:
    """How the server ended a slow client: after how long, and with which status; 0 if without an answer."""

    kind: str
    seconds: float
    status: int


class _SlowClient:
    """Sends a byte of the header or of the body per second."""

    def __init__(self, kind, port):
        self.kind = kind
        self.begin = time.monotonic()
        self.next = self.begin
        self.answer = b""
        self.sock = connect(port)
        self._rest = HEAD + b"X-Slow: " + b"a" * 100
        if kind == "body":
            self._rest = b'{"room_name": "' + b"a" * 100
            self._head = HEAD + b"Content-Length: 1000\r\n\r\n"
        else:
            self._head = b""

    def send(self):
        """A byte; the first time, all that is not slow too."""
        self.next += 1
        try:
            self.sock.send(self._head + self._rest[:1])
        except BlockingIOError:  # not connected yet
            return
        except OSError:  # ended; what the server said is still to be read
            return
        self._head, self._rest = b"", self._rest[1:]

    def ended(self):
        """Reads; whether the server has ended the connection."""
        try:
            data = self.sock.recv(65536)
        except BlockingIOError:
            return False
        except OSError:
            return True
        self.answer += data
        return not data

    def end(self):
        words = self.answer.split(b" ", 2)
        status = int(words[1]) if words[0] == b"HTTP/1.1" and words[1].isdigit() else 0
        return End(self.kind, time.monotonic() - self.begin, status)


class SlowClients(threading.Thread):
    """Keeps so many of each kind; one that is ended is replaced until finish()."""

    def __init__(self, port, counts, deadlines):
        super().__init__()
        self._port = port
        self._counts = counts
        self._deadlines = deadlines
        self._finishing = threading.Event()
        self._selector = selectors.DefaultSelector()
        self.ended = []
        self.stuck = 0  # those that outlived their deadline by OVERDUE

    def _add(self, kind):
        client = _SlowClient(kind, self._port)
        self._selector.register(client.sock, selectors.EVENT_READ, client)

    def _remove(self, client):
        self._selector.unregister(client.sock)
        client.sock.close()
        if not self._finishing.is_set():
            self._add(client.kind)

    def run(self):
        for kind, count in self._counts.items():
            for _ in range(count):
                self._add(kind)
        while self._selector.get_map():
            for key, _ in self._selector.select(0.05):
                if key.data.ended():
                    self.ended.append(key.data.end())
                    self._remove(key.data)
            now = time.monotonic()
            for key in list(self._selector.get_map().values()):
                client = key.data
                if now - client.begin > self._deadlines[client.kind] + OVERDUE:
                    self.stuck += 1
                    self._remove(client)
                elif now >= client.next:
                    client.send()

    def finish(self):
        """Waits until every one has been ended or has given up."""
        self._finishing.set()
        self.join()
        self._selector.close()
