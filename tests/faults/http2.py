"""HTTP/2 (RFC 9113) as raw frames, for peers that do not keep to it."""

import socket
import ssl
import struct
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
CANCEL = 8
LARGEST_FRAME = 16384
SERVICE = "/livekit.token.v1.TokenService/"


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">IBI", len(payload) << 8 | kind, flags, stream) + payload


def _integer(value, bits, first=0):
    """RFC 7541 section 5.1."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    out = bytearray([first | most])
    value -= most
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    out.append(value)
    return bytes(out)


def field(name, value):
    """A header field, literal and not indexed."""
    name, value = name.encode(), value if isinstance(value, bytes) else value.encode()
    return b"\x00" + _integer(len(name), 7) + name + _integer(len(value), 7) + value


def call_fields(method, *more):
    """What a gRPC call begins with; `more` are further (name, value) pairs."""
    fields = ((":method", "POST"), (":scheme", "http"), (":path", SERVICE + method), (":authority", "localhost"),
              ("te", "trailers"), ("content-type", "application/grpc"), *more)
    return b"".join(field(name, value) for name, value in fields)


def message(body):
    """A gRPC message with its prefix."""
    return struct.pack(">BI", 0, len(body)) + body


class Connection:
    """One to a gRPC port; `context` (of ssl) makes it TLS."""

    def __init__(self, host, port, context=None, server_name=None, timeout=5, source=None):
        self.socket = socket.create_connection((host, port), timeout, source and (source, 0))
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_hostname=server_name)
        self.stream = 1
        self.buffer = b""
        self.closed = False
        self.window = self.initial_window = 65535  # RFC 9113 section 6.9.2
        self.send(PREFACE + frame(SETTINGS, 0, 0))

    def send(self, data):
        self.socket.sendall(data)

    def next_stream(self):
        self.stream += 2
        return self.stream - 2

    def headers(self, stream, block, flags=END_HEADERS):
        """A header block, in as many frames as it takes."""
        parts = [block[at:at + LARGEST_FRAME] for at in range(0, len(block), LARGEST_FRAME)]
        last = len(parts) - 1
        return b"".join(frame(CONTINUATION if index else HEADERS,
                              (flags if index == last else flags & ~END_HEADERS) if index == 0
                              else (END_HEADERS if index == last else 0), stream, part)
                        for index, part in enumerate(parts))

    def frames(self, timeout):
        """What comes within this time, as (kind, flags, stream, payload), until the peer ends the connection."""
        end = time.monotonic() + timeout
        while not self.closed:
            while len(self.buffer) >= 9:
                length = int.from_bytes(self.buffer[:3], "big")
                if len(self.buffer) < 9 + length:
                    break
                kind, flags, stream = struct.unpack(">BBI", self.buffer[3:9])
                payload, self.buffer = self.buffer[9:9 + length], self.buffer[9 + length:]
                yield kind, flags, stream, payload
            left = end - time.monotonic()
            if left <= 0:
                return
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(1 << 16)
            except (TimeoutError, ssl.SSLWantReadError):
                return
            except OSError:
                data = b""
            self.closed = not data
            self.buffer += data

    def close(self):
        self.socket.close()


def literals(block):
    """Names and values of the fields in a header block of gRPC's servers that stand there as literal text; without the
    dynamic table and Huffman's code, which they do not use for what matters here."""
    found, at = {}, 0

    def integer(at, bits):
        most = (1 << bits) - 1
        value, shift = block[at] & most, 0
        at += 1
        if value == most:
            while True:
                value += (block[at] & 127) << shift
                shift += 7
                at += 1
                if block[at - 1] < 128:
                    break
        return value, at

    def text(at):
        length, at = integer(at, 7)
        return block[at:at + length].decode("latin-1"), at + length

    while at < len(block):
        first = block[at]
        if first & 0x80:
            _, at = integer(at, 7)
            continue
        if first & 0xE0 == 0x20:
            _, at = integer(at, 5)
            continue
        index, at = integer(at, 6 if first & 0x40 else 4)
        name = str(index)
        if not index:
            name, at = text(at)
        found[name], at = text(at)
    return found


def call(connection, block, body=None, timeout=5):
    """Makes one call and returns its gRPC status as a number; "reset" or "closed" if it ends without one, None if not
    at all. `body` is sent with what the peer's windows allow."""
    stream = connection.next_stream()
    connection.send(connection.headers(stream, block))
    windows = {0: connection.window, stream: connection.initial_window}
    rest = body or b""
    end = time.monotonic() + timeout
    while True:
        size = min(len(rest), LARGEST_FRAME, windows[0], windows[stream])
        if body is not None and (size or not rest):
            part, rest = rest[:size], rest[size:]
            windows[0] -= size
            windows[stream] -= size
            connection.window = windows[0]
            connection.send(frame(DATA, 0 if rest else END_STREAM, stream, part))
            if not rest:
                body = None
            continue
        for kind, flags, where, payload in connection.frames(max(0, end - time.monotonic())):
            if kind == SETTINGS and not flags & ACK:
                for at in range(0, len(payload), 6):
                    setting, value = struct.unpack_from(">HI", payload, at)
                    if setting == 4:
                        windows[stream] += value - connection.initial_window
                        connection.initial_window = value
                connection.send(frame(SETTINGS, ACK, 0))
            elif kind == WINDOW_UPDATE and where in windows:
                windows[where] += int.from_bytes(payload, "big")
                connection.window = windows[0]
                break
            elif kind == PING and not flags & ACK:
                connection.send(frame(PING, ACK, 0, payload))
            elif kind == HEADERS and where == stream:
                status = literals(payload).get("grpc-status")
                if status is not None:
                    return int(status)
            elif kind == RST_STREAM and where == stream:
                return "reset"
        else:
            return "closed" if connection.closed else None
