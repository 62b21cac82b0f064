"""TCP connections as the kernel lists them."""

import ipaddress


def established(pid="self"):
    """(local, remote) of each connection that stands, as (address, port) pairs, in the network namespace of a process.
    Sockets for both kinds of addresses, such as gRPC's, are listed by their IPv4 addresses too."""
    for table in ("tcp", "tcp6"):
        with open(f"/proc/{pid}/net/{table}", encoding="ascii") as file:
            for line in file.readlines()[1:]:
                fields = line.split()
                if fields[3] == "01":
                    yield _pair(fields[1]), _pair(fields[2])


def _pair(text):
    digits, port = text.split(":")
    # Words of 32 bits in the order of this machine's bytes.
    words = [bytes.fromhex(digits[at:at + 8])[::-1] for at in range(0, len(digits), 8)]
    address = ipaddress.ip_address(b"".join(words))
    return str(getattr(address, "ipv4_mapped", None) or address), int(port, 16)


class Watch:
    """Counts the different connections to some ports that were there when it looked."""

    def __init__(self, ports):
        self.ports = set(ports)
        self.seen = set()

    def look(self):
        self.seen.update((local, remote) for local, remote in established() if remote[1] in self.ports)

    @property
    def count(self):
        return len(self.seen)
