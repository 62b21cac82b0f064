"""Network namespaces of one run: this process, its clients and gateways are in one, the hub, and each server is in its
own, at the other end of a link. Faults are nft rules on one TCP port of a link, so that admin pages stay in reach.

Names bear this process's id. All are removed at the end, and those of a run that was killed by the next one.
"""

import ctypes
import json
import os
import pathlib
import re
import signal
import subprocess

from processes import Failed, Missing, need_namespaces, need_tool
from wire import Wire

SECONDS = 10  # that a command may take
CLONE_NEWNET = 0x40000000
SUBNET = "10.77.0"
HUB = f"{SUBNET}.1"
TABLE = "inet livekit_token_faults"
PREFIX = "lktfault"

BLACK_HOLE = "drop"
RESET = "reject with tcp reset"


def loss(percent):
    return f"numgen random mod 100 < {percent} counter drop"


def command(*words, given=None):
    """What it prints."""
    try:
        done = subprocess.run(words, input=given, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise Failed(f"`{' '.join(words)}` takes longer than {SECONDS} s") from None
    if done.returncode:
        raise Failed(f"`{' '.join(words)}`: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def enter(file):
    """Moves this thread, and what it starts from now on, into a network namespace."""
    if ctypes.CDLL(None, use_errno=True).setns(file, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def remove_stale():
    """Removes namespaces whose run is gone, with all that still runs in them."""
    for line in command("ip", "netns", "list").splitlines():
        found = re.match(rf"{PREFIX}-(\d+)-\w+", line)
        if found and not pathlib.Path("/proc", found.group(1)).exists():
            for pid in command("ip", "netns", "pids", found.group(0)).split():
                os.kill(int(pid), signal.SIGKILL)
            command("ip", "netns", "delete", found.group(0))


class Link:
    """A namespace for one server at `host`, and the way there from the hub."""

    def __init__(self, net, number):
        self.hub = net.hub
        self.name = net.make(f"s{number}")
        self.host = f"{SUBNET}.{10 + number}"
        self.device = f"s{number}"

    @property
    def prefix(self):
        """What its programs are started through."""
        return ["ip", "netns", "exec", self.name]

    def route(self):
        """Lets its programs reach those behind other links; the hub must forward (`Net.forward`)."""
        command("ip", "-n", self.name, "route", "add", "default", "via", HUB, "dev", self.device)

    def remove(self):
        """Nobody is at its address any longer. Its programs must have ended."""
        command("ip", "-n", self.hub, "link", "delete", self.device)
        command("ip", "netns", "delete", self.name)

    def addresses(self):
        """Gives addresses to its two devices, which bear the same name."""
        for space, own, peer in ((self.hub, HUB, self.host), (self.name, self.host, HUB)):
            command("ip", "-n", space, "address", "add", own, "peer", peer, "dev", self.device)
            command("ip", "-n", space, "link", "set", self.device, "up")

    def fault(self, port, verdict, both_ways=True):
        """From now on, the verdict meets packets to (and from) a port of the server as they arrive."""
        ends = [(self.name, f"tcp dport {port}")]
        if both_ways:
            ends.append((self.hub, f"ip saddr {self.host} tcp sport {port}"))
        for space, which in ends:
            command("ip", "netns", "exec", space, "nft", "-f", "-", given=f"""
                add table {TABLE}
                add chain {TABLE} arriving {{ type filter hook input priority 0; }}
                add rule {TABLE} arriving {which} {verdict if "counter" in verdict else "counter " + verdict}
                """)

    def heal(self):
        """Ends the fault; returns how many packets it met on the server's side."""
        rules = json.loads(command("ip", "netns", "exec", self.name, "nft", "-j", "list", "table", *TABLE.split()))
        met = sum(part["counter"]["packets"] for entry in rules["nftables"] if "rule" in entry
                  for part in entry["rule"]["expr"] if "counter" in part)
        command("ip", "netns", "exec", self.name, "nft", "delete", "table", *TABLE.split())
        # Other links may have rules in the hub's table, but faults begin and end together.
        command("ip", "netns", "exec", self.hub, "nft", "-f", "-",
                given=f"add table {TABLE}\ndelete table {TABLE}\n")
        return met


class Net:
    """The hub and its links. Within `with`, this thread is in the hub; its programs must have ended before the end."""

    def __init__(self):
        self.spaces = []
        self.links = []
        self.wires = []
        self.home = None

    def make(self, name):
        name = f"{PREFIX}-{os.getpid()}-{name}"
        self.spaces.append(name)
        command("ip", "netns", "add", name)
        command("ip", "-n", name, "link", "set", "lo", "up")
        return name

    def __enter__(self):
        need_tool("ip", "nft")
        need_namespaces("cutting networks")
        remove_stale()
        self.home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.hub = self.make("hub")
            hub = os.open(f"/var/run/netns/{self.hub}", os.O_RDONLY | os.O_CLOEXEC)
            enter(hub)
            os.close(hub)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for wire in self.wires:
            wire.stop()
        enter(self.home)
        os.close(self.home)
        for name in self.spaces:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, timeout=SECONDS, check=False)

    def forward(self):
        """The hub passes packets on between its links, and has its address before there are any."""
        command("ip", "address", "add", HUB, "dev", "lo")
        pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1")

    def add_link(self, wire=False):
        """A further namespace, at the other end of a pair of virtual Ethernet devices or of a Wire (`link.wire`)."""
        link = Link(self, len(self.links))
        if wire:
            try:
                link.wire = Wire(link.device)
            except OSError as error:
                raise Missing(f"a wire needs TUN devices: {error}") from None
            self.wires.append(link.wire)
            command("ip", "link", "set", link.wire.far, "netns", link.name)
            command("ip", "-n", link.name, "link", "set", link.wire.far, "name", link.device)
        else:
            command("ip", "-n", self.hub, "link", "add", link.device, "type", "veth", "peer", "name", link.device,
                    "netns", link.name)
        link.addresses()
        self.links.append(link)
        return link
