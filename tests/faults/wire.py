"""A wire between two TUN devices that delays what it carries, for kernels without `tc netem`.

As a program: `wire.py FD FD`; each line of its standard input, `DELAY JITTER` in milliseconds, holds from then on.
"""

import collections
import fcntl
import os
import random
import select
import struct
import subprocess
import sys
import time

TUN = "/dev/net/tun"
TUNSETIFF = 0x400454CA
IFF_TUN_NO_PI = 0x0001 | 0x1000
PACKET = 65536


def open_tun(name):
    """A new TUN device in this network namespace; moving the device to another leaves the descriptor in use."""
    tun = os.open(TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN_NO_PI))
    return tun


class Wire:
    """Carries packets between the new devices `name` and `far` at once, until it is told to delay them."""

    def __init__(self, name):
        self.far = f"{name}far"
        ends = []
        try:
            for device in (name, self.far):
                ends.append(open_tun(device))
            self.process = subprocess.Popen([sys.executable, __file__, *map(str, ends)], pass_fds=ends, text=True,
                                            stdin=subprocess.PIPE, start_new_session=True)
        finally:
            for end in ends:
                os.close(end)

    def delay(self, milliseconds, jitter):
        """Each packet takes this long, plus or minus the jitter, in either direction."""
        self.process.stdin.write(f"{milliseconds} {jitter}\n")
        self.process.stdin.flush()

    def stop(self):
        """Ends the process, and with it the devices."""
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def carry(ends):
    """Carries until the end of standard input."""
    delay, jitter = 0.0, 0.0
    queues = {end: collections.deque() for end in ends}  # by where the packets go: (when, packet)
    other = {ends[0]: ends[1], ends[1]: ends[0]}
    while True:
        first = min((queue[0][0] for queue in queues.values() if queue), default=None)
        timeout = None if first is None else max(0.0, first - time.monotonic())
        readable, _, _ = select.select([*ends, sys.stdin], [], [], timeout)
        if sys.stdin in readable:
            line = sys.stdin.readline()
            if not line:
                return
            delay, jitter = (float(word) / 1000 for word in line.split())
        now = time.monotonic()
        for end in ends:
            if end in readable:
                queue = queues[other[end]]
                when = now + delay + random.uniform(-jitter, jitter)
                # Packets do not overtake each other, which TCP would take for loss.
                queue.append((max(when, queue[-1][0]) if queue else when, os.read(end, PACKET)))
            while queues[end] and queues[end][0][0] <= now:
                try:
                    os.write(end, queues[end].popleft()[1])
                except OSError:
                    pass  # its device is not up yet, or no longer


if __name__ == "__main__":
    carry([int(word) for word in sys.argv[1:]])
