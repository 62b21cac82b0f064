"""A gateway that does one thing wrong, and what fault_load must call it."""

import base64
import hashlib
import hmac
import json
import secrets
import socket
import struct
import threading
import time

KEY = "APIhostile"
SECRET = secrets.token_hex(24)


def _encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _token(identity, secret=SECRET, room_join=True):
    claims = {"iss": KEY, "sub": identity, "exp": int(time.time()) + 60, "video": {"roomJoin": room_join, "room": "r"}}
    signed = _encode(b'{"alg":"HS256","typ":"JWT"}') + b"." + _encode(json.dumps(claims).encode())
    return (signed + b"." + _encode(hmac.digest(secret.encode(), signed, hashlib.sha256))).decode()


def _answer(status, body, *lines):
    head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status} X", *lines, f"Content-Length: {len(body)}"))
    return f"{head}\r\n{body}".encode()


def _created(token, *lines):
    return _answer(201, json.dumps({"server_url": "wss://livekit.example", "participant_token": token}), *lines)


# Outcome that must be counted, and the bytes that are sent to who asks for a token of that identity; then the
# connection stays open.
ANSWERS = {
    "good": ("201", lambda identity: _created(_token(identity))),
    "close": ("201", lambda identity: _created(_token(identity), "Connection: close")),
    "busy": ("503", lambda _: _answer(503, "{}", "Retry-After: 1")),
    "busy without hint": ("503_without_retry_after", lambda _: _answer(503, "{}")),
    "busy with a date": ("503_without_retry_after", lambda _: _answer(503, "{}", "Retry-After: soon")),
    "error": ("500", lambda _: _answer(500, "{}")),
    "redirect": ("307", lambda _: _answer(307, "", "Location: /")),
    "token of another": ("wrong_body", lambda identity: _created(_token(identity + "0"))),
    "no token": ("wrong_body", lambda _: _answer(201, "{}")),
    "no JSON": ("wrong_body", lambda _: _answer(201, "<html>")),
    "wrong key": ("unverifiable", lambda identity: _created(_token(identity, secret=SECRET[1:]))),
    "token that cannot join": ("unverifiable", lambda identity: _created(_token(identity, room_join=False))),
    "more than asked for": ("broken", lambda identity: _created(_token(identity)) + b"H"),
    "no HTTP": ("broken", lambda _: b"SSH-2.0-x\r\n\r\n"),
    "no length": ("broken", lambda _: b"HTTP/1.1 201 Created\r\n\r\n{}"),
    "half an answer": ("timeout", lambda identity: _created(_token(identity))[:-1]),
    "nothing": ("timeout", lambda _: b""),
    "half and the end": ("closed", lambda identity: _created(_token(identity))[:-1]),
    "the end": ("closed", lambda _: b""),
    "reset": ("reset", lambda _: b""),
    "nobody": ("connect_refused", None),
}


class HostileHttp:
    """Listens on a port of its own and does what `kind` says, one of ANSWERS."""

    def __init__(self, kind):
        self.kind = kind
        self.outcome, self._make = ANSWERS[kind]
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self._listener.getsockname()[1]
        self.connections = []
        if self._make is None:
            self._listener.close()
        else:
            threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection):
        try:
            while request := connection.recv(65536):
                body = json.loads(request.partition(b"\r\n\r\n")[2])
                connection.sendall(self._make(body["participant_identity"]))
                if self.kind == "reset":
                    # Without lingering, close() sends RST.
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                if self.outcome in ("reset", "closed"):
                    connection.close()
                    return
        except OSError:
            pass

    def stop(self):
        self._listener.close()
        for connection in self.connections:
            connection.close()
