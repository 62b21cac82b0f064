"""A relay that keeps what nginx writes to the server behind it, and cuts it into requests as nginx framed them."""

import re
import socket
import threading


class Tap:
    """Relays connections to a port of loopback; `streams` has the bytes from nginx, one item for each connection."""

    def __init__(self, port):
        self.target = port
        self.streams = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                front, _ = self.listener.accept()
            except OSError:
                return
            back = socket.create_connection(("127.0.0.1", self.target))
            for sock in (front, back):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream = bytearray()
            self.streams.append(stream)
            threading.Thread(target=relay, args=(front, back, stream), daemon=True).start()
            threading.Thread(target=relay, args=(back, front, bytearray()), daemon=True).start()

    def close(self):
        self.listener.close()


def relay(source, target, kept):
    try:
        while data := source.recv(65536):
            kept += data
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        # One side is gone: so is the other.
        for sock in (source, target):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def requests(stream):
    """The (id, body) of each request in what nginx wrote; body is None if nginx did not finish it.

    nginx writes every head anew, with exactly one of the two framing headers when there is a body.
    """
    rest = bytes(stream)
    while rest:
        head, end, rest = rest.partition(b"\r\n\r\n")
        fields = [line.split(b":", 1) for line in head.split(b"\r\n")[1:]]

        def values(name):
            return [field[1].strip() for field in fields if field[0].lower() == name and len(field) == 2]

        (request_id,) = values(b"x-proxy-id")
        lengths, codings = values(b"content-length"), values(b"transfer-encoding")
        if not end or len(lengths) + len(codings) > 1:
            raise ValueError(f"nginx wrote {head!r}")
        body = b""
        if codings:
            body, rest = chunked(rest)
        elif lengths:
            size = int(lengths[0])
            body, rest = (rest[:size], rest[size:]) if len(rest) >= size else (None, b"")
        yield request_id.decode(), body


def chunked(rest):
    """The body at the start of `rest`, in nginx's own chunks, and what follows it; (None, b"") if it does not end."""
    body = b""
    while line := re.match(rb"([0-9a-f]+)\r\n", rest):
        size, start = int(line[1], 16), line.end()
        chunk, after = rest[start : start + size], rest[start + size : start + size + 2]
        if len(chunk) < size or len(after) < 2:
            return None, b""
        if after != b"\r\n":
            raise ValueError("nginx wrote a chunk that does not end")
        body, rest = body + chunk, rest[start + size + 2 :]
        if size == 0:
            return body, rest
    return None, b""
