"""Libraries that are preloaded into programs to deceive them (accept_shim.cc, clock_shim.cc), and how they are told."""

import errno
import mmap
import struct

from processes import BIN, Missing


class _Shim:
    def __init__(self, program, variable, size):
        library = BIN / f"libfault_{variable.rpartition('_')[2].lower()}.so"
        if not library.exists():
            raise Missing(f"there is no {library}: ./dev faults builds it")
        path = program.folder / f"{program.name}.{variable}"
        path.write_bytes(bytes(size))
        program.env.update({"LD_PRELOAD": str(library), variable: str(path)})
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), size)


class AcceptShim(_Shim):
    """For a program that has not started yet."""

    def __init__(self, program):
        super().__init__(program, "FAULT_ACCEPT", 16)

    def fail(self, port, error, count):
        """So many calls of accept() on the listener of this port fail from now on."""
        struct.pack_into("=iiii", self.memory, 0, port, getattr(errno, error), count, 0)

    @property
    def met(self):
        """Calls since then."""
        return struct.unpack_from("=i", self.memory, 12)[0]

    @property
    def left(self):
        return struct.unpack_from("=i", self.memory, 8)[0]


class ClockShim(_Shim):
    """For a program that has not started yet."""

    def __init__(self, program):
        super().__init__(program, "FAULT_CLOCK", 8)

    def set(self, seconds):
        """The wall clock is so far ahead of the machine's from now on."""
        struct.pack_into("=q", self.memory, 0, round(seconds * 1e9))
